#include "ir/early_order.h"

#include <algorithm>
#include <map>
#include <set>

#include "ir/structure.h"

namespace tessera {
namespace {

int64_t bytes_of(const Tensor& tensor) {
  return volume(tensor.dims()) * static_cast<int64_t>(size_of(tensor.type()));
}

// Takes definitions that are ready one after the other.
class Scheduler {
 public:
  explicit Scheduler(const Program& program) : tensors_(program.tensors()) {
    std::map<Tensor, size_t> numbers;
    for (size_t i = 0; i < tensors_.size(); ++i) numbers.emplace(tensors_[i], i);
    read_.resize(tensors_.size());
    readers_.resize(tensors_.size());
    missing_.assign(tensors_.size(), 0);
    for (size_t i = 0; i < tensors_.size(); ++i) {
      if (tensors_[i].role() != Role::definition) continue;
      for (const Tensor& read : tensors_read(tensors_[i].value())) {
        const size_t number = numbers.at(read);
        read_[i].push_back(number);
        readers_[number].push_back(i);
        missing_[i] += read.role() == Role::definition;
      }
    }
    for (size_t i = 0; i < tensors_.size(); ++i) left_.push_back(readers_[i].size());
    kept_.assign(tensors_.size(), false);
    for (size_t i = 0; i < tensors_.size(); ++i) kept_[i] = tensors_[i].role() != Role::definition;
    for (const Output& output : program.outputs()) kept_[numbers.at(output.value)] = true;
    for (const Update& update : program.updates()) {
      kept_[numbers.at(update.value)] = true;
      replaces_.emplace(numbers.at(update.value), numbers.at(update.target));
    }
  }

  std::vector<Tensor> run() {
    std::vector<Tensor> order;
    for (const Tensor& tensor : tensors_)
      if (tensor.role() != Role::definition) order.push_back(tensor);
    for (size_t i = 0; i < tensors_.size(); ++i)
      if (tensors_[i].role() == Role::definition && missing_[i] == 0) ready(i);
    while (!ready_.empty()) {
      const size_t next = freeing_.empty() ? *ready_.begin() : freeing_.begin()->second;
      take(next);
      order.push_back(tensors_[next]);
    }
    return order;
  }

 private:
  // Bytes that are held after it and were not before; of what replaces an old value that nobody
  // else reads, none.
  int64_t growth(size_t number) const {
    const auto target = replaces_.find(number);
    const bool in_place = target != replaces_.end() && readers_left(target->second, number) == 0;
    int64_t bytes = in_place ? 0 : bytes_of(tensors_[number]);
    for (const size_t read : read_[number])
      if (!kept_[read] && left_[read] == 1) bytes -= bytes_of(tensors_[read]);
    return bytes;
  }

  size_t readers_left(size_t number, size_t besides) const {
    const bool reads =
        std::find(read_[besides].begin(), read_[besides].end(), number) != read_[besides].end();
    return left_[number] - (reads ? 1 : 0);
  }

  void ready(size_t number) {
    ready_.insert(number);
    look_at(number);
  }

  void look_at(size_t number) {
    if (ready_.count(number) == 0 || growth_.count(number) != 0) return;
    const int64_t bytes = growth(number);
    if (bytes > 0) return;
    growth_.emplace(number, bytes);
    freeing_.emplace(bytes, number);
  }

  void take(size_t number) {
    ready_.erase(number);
    if (const auto it = growth_.find(number); it != growth_.end())
      freeing_.erase({it->second, number});
    for (const size_t read : read_[number])
      if (--left_[read] <= 1)  // whoever is last sets it free
        for (const size_t reader : readers_[read]) look_at(reader);
    for (const size_t reader : readers_[number])
      if (--missing_[reader] == 0) ready(reader);
  }

  const std::vector<Tensor>& tensors_;
  std::vector<std::vector<size_t>> read_;
  std::vector<std::vector<size_t>> readers_;
  std::vector<size_t> missing_;  // definitions that it reads and that are not taken
  std::vector<size_t> left_;     // readers that are not taken
  std::vector<bool> kept_;       // in the whole step
  std::map<size_t, size_t> replaces_;
  std::set<size_t> ready_;
  std::map<size_t, int64_t> growth_;  // of those in freeing_
  std::set<std::pair<int64_t, size_t>> freeing_;
};

}  // namespace

std::vector<Tensor> early_order(const Program& normal) {
  if (!normal.carries().empty()) return normal.tensors();
  return Scheduler(normal).run();
}

}  // namespace tessera
