#include "placement/steps_again.h"

#include <algorithm>

namespace tessera {
namespace {

// The steps as they are done, with copies: tensor t's copy has the number t + tensors.
class Walk {
 public:
  struct Done {
    int original;  // step before or at which it is done
    int out;
    int64_t transient;
  };

  Walk(const StepsAgain& of, const std::vector<int>& after, int tensors)
      : of_(of),
        after_(after),
        tensors_(tensors),
        copied_(static_cast<size_t>(tensors), 0),
        last_use_(2 * static_cast<size_t>(tensors), -1) {}

  void run() {
    for (size_t s = 0; s < of_.steps().size(); ++s) {
      const StepsAgain::Step& step = of_.steps()[s];
      now_ = static_cast<int>(s);
      do_step(step, step.out);
    }
  }

  const std::vector<Done>& done() const { return done_; }
  const std::vector<int>& last_use() const { return last_use_; }
  double seconds() const { return seconds_; }

 private:
  // What it reads is made before it, and is on a stack meanwhile.
  void do_step(const StepsAgain::Step& step, int out) {
    const size_t base = in_.size();
    for (const int tensor : step.in) in_.push_back(resolved(tensor));
    const int place = static_cast<int>(done_.size());
    for (size_t i = base; i < in_.size(); ++i) last_use_[static_cast<size_t>(in_[i])] = place;
    in_.resize(base);
    last_use_[static_cast<size_t>(out)] = std::max(last_use_[static_cast<size_t>(out)], place);
    done_.push_back({now_, out, step.transient});
  }

  int resolved(int tensor) {
    const int maker = of_.maker(tensor);
    if (maker < 0) return tensor;
    const StepsAgain::Step& step = of_.steps()[static_cast<size_t>(maker)];
    if (step.group < 0 || now_ <= after_[static_cast<size_t>(step.group)] ||
        maker > after_[static_cast<size_t>(step.group)])
      return tensor;
    if (copied_[static_cast<size_t>(tensor)] == 0) {
      copied_[static_cast<size_t>(tensor)] = 1;
      seconds_ += step.seconds;
      do_step(step, tensor + tensors_);
    }
    return tensor + tensors_;
  }

  const StepsAgain& of_;
  const std::vector<int>& after_;
  const int tensors_;
  std::vector<char> copied_;
  std::vector<int> last_use_;  // place in `done_`
  std::vector<int> in_;
  std::vector<Done> done_;
  double seconds_ = 0;
  int now_ = 0;
};

}  // namespace

StepsAgain::StepsAgain(std::vector<Step> steps, std::vector<int64_t> bytes, int groups,
                       int64_t kept)
    : steps_(std::move(steps)),
      bytes_(std::move(bytes)),
      kept_(kept),
      makers_(bytes_.size(), -1),
      gaps_(static_cast<size_t>(groups)) {
  std::vector<int> last(static_cast<size_t>(groups), -1);
  for (size_t s = 0; s < steps_.size(); ++s) {
    const int place = static_cast<int>(s);
    makers_[static_cast<size_t>(steps_[s].out)] = place;
    if (steps_[s].makes) last[static_cast<size_t>(steps_[s].group)] = place;
    for (const int tensor : steps_[s].in) {
      const int maker = makers_[static_cast<size_t>(tensor)];
      const int group = maker < 0 ? -1 : steps_[static_cast<size_t>(maker)].group;
      if (group < 0 || group == steps_[s].group) continue;
      int& before = last[static_cast<size_t>(group)];
      Gap& gap = gaps_[static_cast<size_t>(group)];
      if (before >= 0 && place - before > gap.late - gap.early) gap = {before, place};
      before = place;
    }
  }
}

StepsAgain::Held StepsAgain::held(const std::vector<int>& after, int64_t limit) const {
  const int tensors = static_cast<int>(bytes_.size());
  Walk walk(*this, after, tensors);
  walk.run();
  const auto& done = walk.done();
  std::vector<int64_t> change(done.size() + 1, 0);
  for (size_t i = 0; i < done.size(); ++i) {
    const int out = done[i].out;
    const int64_t size = bytes_[static_cast<size_t>(out % tensors)];
    change[i] += size;
    change[static_cast<size_t>(walk.last_use()[static_cast<size_t>(out)]) + 1] -= size;
  }
  Held result;
  result.seconds = walk.seconds();
  int64_t now = kept_;
  size_t fullest = 0;
  for (size_t i = 0; i < done.size(); ++i) {
    now += change[i];
    const int64_t here = now + done[i].transient;
    if (here > result.peak) result.peak = here, fullest = i;
    result.area += static_cast<double>(std::max<int64_t>(here - limit, 0));
  }
  if (done.empty()) return result;
  result.at = done[fullest].original;
  result.there.assign(static_cast<size_t>(tensors), 0);
  for (size_t i = 0; i <= fullest; ++i) {
    const int out = done[i].out;
    const int last = walk.last_use()[static_cast<size_t>(out)];
    if (last < static_cast<int>(fullest)) continue;
    result.there[static_cast<size_t>(out % tensors)] = 1;
    if (out < tensors && last > static_cast<int>(fullest)) result.idle.push_back(out);
  }
  return result;
}

}  // namespace tessera
