#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace tessera {

// Kinds of work that kernels do, whose prices were fitted to measured kernels (work_prices.h). In
// vector instructions where lanes run along memory, and of scalars where there are no lanes.
enum class WorkKind : uint8_t {
  launch,            // of the kernel
  step,              // a turn of a loop
  point,             // a point of the collapsed loops, for each of them
  finish,            // leaving the loops of a reduction
  fold,              // combining the lanes of one
  stall,             // cycles in which a reduction waits for itself
  scalar,            // arithmetic that all lanes share
  simple,            // + - * of floats, comparisons, choices
  extreme,           // min, max
  integer_multiply,  // and shifts to wider integers
  integer_divide,    // // and % of integers
  convert,           // between types, those of memory included
  guard,             // is a lane inside?
  running,           // running values within a vector
  bits,              // random bits
  divide,            // of f32, and what follows, too
  root,
  exponential,
  logarithm,
  hyperbolic,  // tanh
  sigmoid,
  error,  // erf
  wave,   // sin, cos
  power,
  modulo,    // // and % of floats
  divide64,  // the same of f64
  root64,
  exponential64,
  logarithm64,
  hyperbolic64,
  sigmoid64,
  error64,
  wave64,
  power64,
  modulo64,
  load,             // of lanes side by side
  load_guarded,     // the same, not all inside
  load_same,        // one element for all lanes
  load_near,        // a register that is loaded and permuted
  load_transposed,  // a register of lanes that are read along another loop
  load_apart,       // a lane read with a stride
  load_through,     // a lane read through data
  store,
  store_apart,  // a lane
  store_one,    // without lanes
  scatter,      // a lane added where data says; a vector, where lanes lie side by side there
  tile_step,    // a step of k of one vector in a tile of products
  tile_row,     // entering and leaving the loop of a tile, a vector
  pack_vector,  // packing: a vector of the side that is packed
  pack_across,  // an element, through transposes
  pack_element,
  tile_store,  // a piece of the result
  // From here on lines of 64 bytes, in the time that a triad takes for 64 bytes.
  line_l2,        // to the first cache; by the rate within the second one
  line_l2_apart,  // the same, where less than some lines lie side by side
  line_l3,        // to the second cache
  line_l3_apart,
  line_memory,  // to the last cache; by the rate from memory
  line_memory_apart,
  line_written,       // to memory
  line_written_past,  // the same past the caches
  count
};

constexpr size_t kWorks = static_cast<size_t>(WorkKind::count);
constexpr size_t kFirstLine = static_cast<size_t>(WorkKind::line_l2);
constexpr size_t kFirstMemoryLine = static_cast<size_t>(WorkKind::line_memory);

// An amount, or a price, for each kind.
using WorkAmounts = std::array<double, kWorks>;

const char* name_of(WorkKind work);

}  // namespace tessera
