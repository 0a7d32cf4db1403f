#include "launcher/evaluation.h"

#include <fmt/format.h>

#include <algorithm>

#include "ir/normalize.h"
#include "ir/stack_loops.h"
#include "launcher/programs.h"
#include "launcher/progress.h"

namespace tessera {

int64_t evaluation_batch(int64_t examples, int64_t most) {
  for (int64_t batch = std::min(most, examples); batch > most / 8; --batch)
    if (examples % batch == 0) return batch;
  return std::min(most, examples);
}

std::vector<std::string> scalar_outputs(const Program& program) {
  std::vector<std::string> found;
  for (const Output& output : program.outputs())
    if (output.order.empty()) found.push_back(output.name);
  return found;
}

Evaluation::Evaluation(const Config& config, DatasetPtr test, const Options& options,
                       Compiler& compiler, Communicator& world)
    : examples_(test->examples) {
  const int64_t batch = evaluation_batch(examples_, options.most);
  const int64_t rest = examples_ % batch;
  add(config, test, batch, options, compiler, world);
  if (rest == 0) return;
  Dataset left;
  left.name = test->name;
  left.examples = rest;
  left.whole = test;
  left.row = [test, first = examples_ - rest](int64_t example) {
    return test->row_of(first + example);
  };
  add(config, std::make_shared<const Dataset>(std::move(left)), rest, options, compiler, world);
}

void Evaluation::add(const Config& config, const DatasetPtr& data, int64_t batch,
                     const Options& options, Compiler& compiler, Communicator& world) {
  const Program program = stack_loops(normalize(evaluation_program(config, batch)));
  const Plan plan =
      share_plan(world, [&] { return plan_here(program, options.cluster, options.planning); });
  Feeds feeds(program, config, data, Order::sequential);
  const int64_t batches = data->examples / batch;
  feeds.end_at(batches);
  parts_.emplace_back(new Part{program,
                               Executable(program, plan, compiler, world, options.executing),
                               std::move(feeds), batches});
}

std::map<std::string, double> Evaluation::run(Executable& trained) {
  std::map<std::string, double> sums;
  for (const std::unique_ptr<Part>& each : parts_) {
    Part& part = *each;
    for (const Border& stored : part.executable.sharded().stored)
      part.executable.set_value(stored.name, trained.value(stored.name));
    for (int64_t batch = 0; batch < part.batches; ++batch) {
      part.feeds.feed(part.executable, batch);
      part.executable.run();
      for (const std::string& name : scalar_outputs(part.program))
        sums[name] += part.executable.output(name).get(0) * static_cast<double>(part.feeds.batch());
    }
  }
  for (auto& [name, sum] : sums) sum /= static_cast<double>(examples_);
  return sums;
}

std::string Evaluation::text() const {
  std::string text = fmt::format("{} examples in {} batches of {}", grouped(examples_),
                                 grouped(parts_[0]->batches), grouped(parts_[0]->feeds.batch()));
  if (has_rest()) text += fmt::format(" and one of {}", grouped(parts_[1]->feeds.batch()));
  return text;
}

}  // namespace tessera
