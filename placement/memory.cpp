#include "placement/memory.h"

#include <algorithm>
#include <map>
#include <set>

#include "base/error.h"
#include "ir/index_range.h"

namespace tessera {
namespace {

constexpr int64_t kGranule = 64;

int64_t rounded_bytes(const Tensor& tensor) {
  int64_t bytes = volume(tensor.dims()) * static_cast<int64_t>(size_of(tensor.type()));
  return (bytes + kGranule - 1) / kGranule * kGranule;
}

struct Life {
  Tensor tensor;
  size_t from;
  size_t to;  // inclusive
};

// Does the step read `tensor` only element by element, at the place that it writes?
bool reads_in_place(const Step& step, const Tensor& tensor) {
  const ComputeStep* compute = std::get_if<ComputeStep>(&step);
  if (compute == nullptr || compute->nest.op) return false;
  for (const Expr& expr : reads_of(compute->nest)) {
    const Read& read = *as<Read>(expr);
    if (!(read.tensor == tensor)) continue;
    for (size_t i = 0; i < read.indices.size(); ++i) {
      std::optional<Affine> form = affine_form(read.indices[i].value);
      if (!form || !form->plain() || !(*form->plain() == tensor.dims()[i])) return false;
    }
  }
  return true;
}

class Accountant {
 public:
  explicit Accountant(const ShardedProgram& program) : program_(program) {}

  MemoryUse run() {
    find_lives();
    for (const Update& update : updates_) replace_in_place(update);
    for (const Life& life : lives_)
      if (life.from == 0 && life.to == last_) result_.kept += rounded_bytes(life.tensor);
    size_t fullest = find_peak();
    describe_peak(fullest);
    return std::move(result_);
  }

 private:
  struct Update {
    Tensor target;
    Tensor value;
  };

  void find_lives() {
    last_ = program_.steps.empty() ? 0 : program_.steps.size() - 1;
    auto keep = [&](const Tensor& tensor) { touch(tensor, 0, last_); };
    for (const Border& border : program_.inputs) keep(border.local);
    for (const Border& border : program_.stored) keep(border.local);
    for (size_t i = 0; i < program_.steps.size(); ++i) {
      touch(output_of(program_.steps[i]), i, i);
      for (const Tensor& input : inputs_of(program_.steps[i])) touch(input, i, i);
    }
    for (const LocalUpdate& update : program_.updates) {
      touch(update.value, last_, last_);
      updates_.push_back({update.target, update.value});
    }
    for (const Border& border : program_.outputs) keep(border.local);
  }

  void touch(const Tensor& tensor, size_t from, size_t to) {
    auto [it, fresh] = index_.emplace(tensor, lives_.size());
    if (fresh) {
      lives_.push_back({tensor, from, to});
      return;
    }
    Life& life = lives_[it->second];
    life.from = std::min(life.from, from);
    life.to = std::max(life.to, to);
  }

  // The new value needs no room of its own when nothing reads the old one after it is made.
  void replace_in_place(const Update& update) {
    auto it = index_.find(update.value);
    if (it == index_.end() || it->second == SIZE_MAX) return;
    size_t made = lives_[it->second].from;
    if (made >= program_.steps.size() || !(output_of(program_.steps[made]) == update.value)) return;
    for (size_t i = made; i < program_.steps.size(); ++i) {
      std::vector<Tensor> inputs = inputs_of(program_.steps[i]);
      bool reads = std::find(inputs.begin(), inputs.end(), update.target) != inputs.end();
      if (reads && (i > made || !reads_in_place(program_.steps[i], update.target))) return;
    }
    in_place_.insert(update.value);
  }

  int64_t bytes_of(const Life& life) const {
    return in_place_.count(life.tensor) ? 0 : rounded_bytes(life.tensor);
  }

  int64_t staging_of(size_t step) const {
    if (program_.steps.empty()) return 0;
    const CommStep* comm = std::get_if<CommStep>(&program_.steps[step]);
    if (comm == nullptr) return 0;
    return std::max(rounded_bytes(comm->input), rounded_bytes(comm->output));
  }

  size_t find_peak() {
    std::vector<int64_t> change(last_ + 2, 0);
    for (const Life& life : lives_) {
      change[life.from] += bytes_of(life);
      change[life.to + 1] -= bytes_of(life);
    }
    int64_t held = 0;
    size_t fullest = 0;
    for (size_t i = 0; i <= last_; ++i) {
      held += change[i];
      if (held + staging_of(i) <= result_.peak) continue;
      result_.peak = held + staging_of(i);
      fullest = i;
    }
    return fullest;
  }

  void describe_peak(size_t step) {
    if (!program_.steps.empty()) result_.at = origin_of(program_.steps[step]);
    for (const Life& life : lives_)
      if (life.from <= step && step <= life.to && bytes_of(life) > 0)
        result_.holdings.push_back({life.tensor.name(), bytes_of(life)});
    if (staging_of(step) > 0)
      result_.holdings.push_back({"(staging of " + result_.at + ")", staging_of(step)});
    std::stable_sort(result_.holdings.begin(), result_.holdings.end(),
                     [](const auto& a, const auto& b) { return a.bytes > b.bytes; });
  }

  const ShardedProgram& program_;
  size_t last_ = 0;
  std::vector<Life> lives_;
  std::map<Tensor, size_t> index_;
  std::vector<Update> updates_;
  std::set<Tensor> in_place_;
  MemoryUse result_;
};

// Bytes of each form on the first rank.
double bytes_of(const Tensor& tensor, const Sharding& form, const Mesh& mesh) {
  const int64_t bytes = local_bytes(shape_of(tensor), form, mesh);
  const int64_t granules = (bytes + kGranule - 1) / kGranule;
  return static_cast<double>(granules * kGranule);
}

std::vector<double> bytes_of(const PlacementNetwork::FormVariable& variable, const Mesh& mesh) {
  std::vector<double> result;
  for (const Sharding& form : variable.forms)
    result.push_back(bytes_of(variable.tensor, form, mesh));
  return result;
}

// The least that each demand takes.
std::vector<double> bytes_of(const PlacementNetwork::OperandVariable& operand, const Mesh& mesh) {
  std::vector<double> result;
  for (const Demand& demand : operand.demands) {
    double bytes = bytes_of(operand.tensor, demand.form, mesh);
    if (demand.halo) bytes = std::min(bytes, bytes_of(operand.tensor, demand.halo->base, mesh));
    result.push_back(bytes);
  }
  return result;
}

}  // namespace

MemoryUse memory_of(const ShardedProgram& program) {
  return Accountant(program).run();
}

void add_memory_rows(PlacementNetwork& placement, const ProgramRules& rules, const Mesh& mesh,
                     double limit, RowKind kind) {
  std::set<Tensor> replaces;  // new values of stored tensors, perhaps in place
  for (const Update& update : rules.program.updates()) replaces.insert(update.value);
  std::map<Tensor, size_t> last_use;
  for (size_t n = 0; n < rules.nests.size(); ++n)
    for (size_t k = 0; k < rules.nests[n].operands().size(); ++k)
      last_use[rules.nests[n].operand_tensor(k)] = n;
  std::vector<Network::RowItem> stored;
  for (const auto& form : placement.stored) stored.push_back({form.variable, bytes_of(form, mesh)});
  size_t operand = 0;
  for (size_t n = 0; n < rules.nests.size(); ++n) {
    std::vector<Network::RowItem> items = stored;
    std::set<Tensor> seen;
    size_t operands = rules.nests[n].operands().size();
    if (kind == RowKind::relaxation) {
      for (size_t k = 0; k < operands; ++k) {
        const auto& need = placement.operands[operand + k];
        if (need.tensor.role() == Role::definition && seen.insert(need.tensor).second)
          items.push_back({need.variable, bytes_of(need, mesh)});
      }
      if (replaces.count(placement.results[n].tensor) == 0)
        items.push_back({placement.results[n].variable, bytes_of(placement.results[n], mesh)});
    } else {
      for (size_t m = 0; m <= n; ++m) {
        const auto& form = placement.results[m];
        auto used = last_use.find(form.tensor);
        bool alive = m == n || (used != last_use.end() && used->second >= n);
        if (alive && replaces.count(form.tensor) == 0)
          items.push_back({form.variable, bytes_of(form, mesh)});
      }
    }
    operand += operands;
    placement.network.add_row(limit, items);
  }
}

}  // namespace tessera
