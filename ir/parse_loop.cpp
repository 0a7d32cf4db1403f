#include "ir/parse_loop.h"

#include <algorithm>

#include "base/error.h"
#include "ir/functions.h"

namespace tessera {
namespace {

// Index of the carried value of that name, or -1.
int carried_index(const LoopSyntax& loop, const std::string& name) {
  for (size_t i = 0; i < loop.carried.size(); ++i)
    if (loop.carried[i].name.text == name) return static_cast<int>(i);
  return -1;
}

Value read_of(const Tensor& tensor, const SourceLocation& where) {
  return {make_read(tensor, where), 2};
}

// `each`, of all iterations, with the dim that was iterated in place of the counter.
Expr along(const Expr& each, const Dim& counter, const Dim& over) {
  const Looped* looped = as<Looped>(each);
  if (looped == nullptr || counter == over) return each;
  return make_looped(looped->value.at(counter, make_index(over), std::nullopt, each.where()),
                     looped->carries);
}

}  // namespace

Dim LoopBuilder::counter(const Statement& statement, const Frame* frame) const {
  const LoopSyntax& loop = *statement.loop;
  const NameAt& name = statement.name;
  if (frame != nullptr &&
      (frame->values.count(name.text) != 0 || frame->dims.count(name.text) != 0))
    throw UserError(name.where, "`" + name.text +
                                    "` has a meaning in the loop around this one; choose another "
                                    "name for what counts the iterations");
  scope_.check_free(name);
  if (loop.over) return Dim(name.text, scope_.dim(*loop.over, frame).extent(), name.where);
  const int64_t count = integer_(*statement.value);
  if (count < 0)
    throw UserError(statement.value->where,
                    "a loop runs 0 or more times, not " + std::to_string(count));
  return Dim(name.text, count, name.where);
}

std::vector<LoopValue> LoopBuilder::build(const Statement& statement, const Frame* frame) const {
  const LoopSyntax& loop = *statement.loop;
  const Dim counter = this->counter(statement, frame);
  std::vector<Expr> initial;
  std::vector<std::string> names;
  std::vector<Dims> dims;
  for (size_t i = 0; i < loop.carried.size(); ++i) {
    const Statement& carried = loop.carried[i];
    if (carried_index(loop, carried.name.text) != static_cast<int>(i))
      throw UserError(carried.name.where, "the loop carries `" + carried.name.text + "` twice");
    if (frame == nullptr) scope_.check_free(carried.name);
    initial.push_back(formulas_.build(*carried.value, frame));
    names.push_back(carried.name.text);
    dims.push_back(scope_.dims(carried.dims, frame));
  }
  Frame own = frame != nullptr ? *frame : Frame{};
  own.dims.insert_or_assign(counter.name(), counter);
  own.iterated.push_back(counter);
  const int64_t written = formulas_.written();
  const LoopBody body = [&](const std::vector<Tensor>& carried) {
    formulas_.forget_beyond(written);
    return iterate(statement, own, carried);
  };
  const Loop values = tessera::loop(counter, initial, body, statement.name.where, names, dims);
  std::vector<LoopValue> made;
  for (size_t i = 0; i < loop.carried.size(); ++i)
    made.push_back({loop.carried[i].name, values.last[i].value()});
  if (!loop.over && !loop.collected.empty() && frame == nullptr) scope_.add_dim(counter);
  const Dim over = loop.over ? scope_.dim(*loop.over, frame) : counter;
  for (size_t i = 0; i < loop.collected.size(); ++i)
    made.push_back({loop.collected[i], along(values.each[i].value(), counter, over)});
  return made;
}

Iteration LoopBuilder::iterate(const Statement& statement, Frame frame,
                               const std::vector<Tensor>& carried) const {
  const LoopSyntax& loop = *statement.loop;
  for (size_t i = 0; i < carried.size(); ++i) {
    const NameAt& name = loop.carried[i].name;
    frame.values.insert_or_assign(name.text, read_of(carried[i], name.where));
  }
  Iteration iteration;
  if (loop.condition) iteration.while_holds = formulas_.build(*loop.condition, &frame);
  std::set<std::string> made;
  for (const Statement& line : loop.body) {
    if (line.kind == Statement::Kind::definition) {
      define(line, loop, frame, made);
      continue;
    }
    for (const LoopValue& value : build(line, &frame)) {
      const Tensor tensor =
          formulas_.define_in_loop({value.name.text, value.name.where, false}, value.value);
      frame.values.insert_or_assign(value.name.text, read_of(tensor, value.name.where));
      made.insert(value.name.text);
    }
  }
  for (const Statement& each : loop.carried) {
    if (made.count(each.name.text) == 0)
      throw UserError(each.name.where, "the loop carries `" + each.name.text +
                                           "` and no line of it says what it becomes; write " +
                                           each.name.text + " = …, or leave it out of `carry`");
    iteration.next.push_back(frame.values.at(each.name.text).expr);
  }
  for (const NameAt& name : loop.collected) {
    if (carried_index(loop, name.text) >= 0)
      throw UserError(name.where, "`" + name.text +
                                      "` is carried and means its last value after the loop; "
                                      "collect it under another name, as in all = " +
                                      name.text);
    if (made.count(name.text) == 0) {
      const std::vector<std::string> known(made.begin(), made.end());
      throw UserError(name.where, "the loop collects `" + name.text +
                                      "`, which no line of it makes; its lines make " +
                                      listed(known) + did_you_mean(name.text, known));
    }
    iteration.each.push_back(frame.values.at(name.text).expr);
  }
  return iteration;
}

void LoopBuilder::define(const Statement& line, const LoopSyntax& loop, Frame& frame,
                         std::set<std::string>& made) const {
  const std::string& name = line.name.text;
  const bool carried = carried_index(loop, name) >= 0;
  const auto outer = frame.values.find(name);
  if (made.count(name) != 0)
    throw UserError(line.name.where, "`" + name +
                                         "` is already defined in this loop; choose "
                                         "another name");
  if (!carried && (outer != frame.values.end() || frame.dims.count(name) != 0))
    throw UserError(line.name.where, "`" + name +
                                         "` belongs to a loop around this one, which this one "
                                         "does not carry; choose another name, or carry it");
  if (!carried) scope_.check_free(line.name);
  const Dims order = scope_.dims(line.dims, &frame);
  const std::string own = carried ? name + "_next" : name;
  const Tensor tensor = formulas_.define_in_loop({own, line.name.where, false},
                                                 formulas_.build(*line.value, &frame), order);
  frame.values.insert_or_assign(name, read_of(tensor, line.name.where));
  made.insert(name);
}

}  // namespace tessera
