#include "launcher/bench/plan_timing.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "base/error.h"
#include "ir/normalize.h"
#include "ir/random_inputs.h"
#include "ir/stack_loops.h"
#include "launcher/bench/prepared_step.h"
#include "launcher/commands/arguments.h"
#include "launcher/median.h"
#include "launcher/planning.h"
#include "partition/random_plan.h"
#include "placement/mesh_shapes.h"
#include "placement/predict.h"

namespace tessera {
namespace {

constexpr int kMostAxes = 2;

// Distinct plans on all meshes of so many ranks, as many as were asked for if there are as many.
std::vector<Plan> other_plans(const Program& normal, int ranks, const Plan& ours, int count) {
  const std::vector<Mesh> meshes = mesh_shapes(ranks, kMostAxes);
  std::set<std::string> known = {plan_hash(ours)};
  std::vector<Plan> plans;
  for (int seed = 0; static_cast<int>(plans.size()) < count && seed < 4 * count; ++seed) {
    const Mesh& mesh = meshes[static_cast<size_t>(seed) % meshes.size()];
    Plan plan = random_plan(normal, mesh, static_cast<uint64_t>(seed));
    if (known.insert(plan_hash(plan)).second) plans.push_back(std::move(plan));
  }
  return plans;
}

// The place of each value in their order, equal ones in the middle of theirs.
std::vector<double> places_of(const std::vector<double>& values) {
  std::vector<double> places;
  for (const double value : values) {
    const auto less =
        std::count_if(values.begin(), values.end(), [&](double other) { return other < value; });
    const auto equal = std::count(values.begin(), values.end(), value);
    places.push_back(static_cast<double>(less) + 0.5 * static_cast<double>(equal - 1));
  }
  return places;
}

// Pearson's; 1 where one of them does not vary.
double correlation(const std::vector<double>& x, const std::vector<double>& y) {
  const auto mean = [](const std::vector<double>& values) {
    double sum = 0;
    for (const double value : values) sum += value;
    return sum / static_cast<double>(values.size());
  };
  const double mx = mean(x), my = mean(y);
  double xy = 0, xx = 0, yy = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    xy += (x[i] - mx) * (y[i] - my);
    xx += (x[i] - mx) * (x[i] - mx);
    yy += (y[i] - my) * (y[i] - my);
  }
  return xx == 0 || yy == 0 ? 1 : xy / std::sqrt(xx * yy);
}

class Timing {
 public:
  Timing(const SuiteRow& row, const PlanTimingSettings& settings, Communicator& world)
      : settings_(settings),
        world_(world),
        normal_(stack_loops(normalize(program_of(row)))),
        cluster_(cluster_of_job(world, settings.execution.cluster)),
        comm_(cluster_),
        compiler_(settings.execution.compiler_options(world)) {
    planning_.mesh = parse_mesh_option(settings.execution.mesh);
    planning_.threads = settings.execution.threads_on(world);
    planning_.cpu = settings.execution.cpu.value_or(CpuLevel::host);
  }

  void run(PlanRow& row) {
    const Plan ours = share_plan(world_, [&] { return plan_here(normal_, cluster_, planning_); });
    row.ours = timing_of(ours);
    for (const Plan& plan : other_plans(normal_, world_.size(), ours, settings_.others))
      row.others.push_back(timing_of(plan));
  }

 private:
  PlanTiming timing_of(const Plan& plan) {
    PlanTiming timing{print(plan.mesh), plan_hash(plan)};
    if (world_.rank() == 0) {
      const Prediction expected = predict(normal_, plan, cluster_, kernel_seconds_here(planning_));
      timing.predicted = expected.seconds;
      timing.planned_bytes = expected.peak_bytes;
    }
    Executable step(normal_, plan, compiler_, world_, {planning_.threads, &comm_});
    step.initialize(0);
    for (const auto& [name, array] : random_inputs(normal_, 0)) step.feed(name, array);
    timing.measured = median_of(time_steps(step, world_, settings_.seconds));
    timing.held_bytes = static_cast<int64_t>(step.executor().memory_bytes());
    return timing;
  }

  const PlanTimingSettings& settings_;
  Communicator& world_;
  const Program normal_;
  const Cluster cluster_;
  const ClusterCommCost comm_;
  PlanSettings planning_;
  Compiler compiler_;
};

}  // namespace

double PlanTiming::factor() const {
  return std::max(predicted / measured, measured / predicted);
}

double PlanTiming::memory_error() const {
  return std::abs(static_cast<double>(planned_bytes - held_bytes)) /
         static_cast<double>(std::max<int64_t>(held_bytes, 1));
}

double PlanRow::rank_correlation() const {
  std::vector<double> predicted = {ours.predicted}, measured = {ours.measured};
  for (const PlanTiming& other : others) {
    predicted.push_back(other.predicted);
    measured.push_back(other.measured);
  }
  return correlation(places_of(predicted), places_of(measured));
}

double PlanRow::over_fastest() const {
  double fastest = ours.measured;
  for (const PlanTiming& other : others) fastest = std::min(fastest, other.measured);
  return fastest / ours.measured;
}

PlanRow time_plans(const SuiteRow& row, const PlanTimingSettings& settings, Communicator& world) {
  PlanRow result;
  result.name = row.name;
  try {
    Timing(row, settings, world).run(result);
  } catch (const UserError& error) {
    result.problem = error.what();
  }
  return result;
}

}  // namespace tessera
