#pragma once

namespace tessera {

// When another order of a sum pays (order_sum.h).
struct SumPrices {
  double call = 50'000;        // operations that a nest costs by itself
  double gain = 0.85;          // of the price as it stands: another order must stay below
  double gain_in_loops = 0.9;  // where it saves in each of many iterations what it costs once
};

}  // namespace tessera
