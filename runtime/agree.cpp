#include "runtime/agree.h"

#include <fmt/format.h>

#include <algorithm>
#include <sstream>

#include "base/error.h"
#include "base/hash.h"
#include "ir/print.h"

namespace tessera {
namespace {

constexpr char kSubject = '\x01';  // begins the line of a subject
constexpr size_t kShown = 200;     // characters of a line

std::string written(const std::vector<RankStatement>& statements) {
  std::string text;
  for (const RankStatement& statement : statements)
    text += kSubject + statement.subject + "\n" + statement.text + "\n";
  return text;
}

std::string line_of(std::istringstream& stream) {
  std::string line;
  return std::getline(stream, line) ? line : "(nothing more)";
}

// Around the first character at which the lines part.
std::string shown(const std::string& line, const std::string& other) {
  if (line.size() <= kShown) return "`" + line + "`";
  const auto parting = std::mismatch(line.begin(), line.end(), other.begin(), other.end()).first;
  const auto at = static_cast<size_t>(parting - line.begin());
  const size_t from = at < kShown / 2 ? 0 : at - kShown / 2;
  const std::string part = line.substr(from, kShown);
  return (from > 0 ? "`…" : "`") + part + (from + kShown < line.size() ? "…`" : "`");
}

// "the program …; line 3: rank 0 has `…`, rank 1 has `…`", with `who` at the dots.
std::string first_difference(const std::string& first, const std::string& other, int rank,
                             const std::string& who) {
  std::istringstream a(first);
  std::istringstream b(other);
  std::string subject = "what they do";
  for (int number = 0;; ++number) {
    const std::string x = line_of(a);
    const std::string y = line_of(b);
    if (x != y || (a.eof() && b.eof()))
      return fmt::format("{}: {}; line {}: rank 0 has {}, rank {} has {}", subject, who, number,
                         shown(x, y), rank, shown(y, x));
    if (x.empty() || x[0] != kSubject) continue;
    subject = x.substr(1);
    number = 0;
  }
}

std::string text_of_rank(Communicator& world, const std::string& mine, int root) {
  auto bytes = static_cast<int64_t>(mine.size());
  world.broadcast(&bytes, sizeof bytes, root);
  std::string text = world.rank() == root ? mine : std::string(static_cast<size_t>(bytes), '\0');
  world.broadcast(text.data(), text.size(), root);
  return text;
}

}  // namespace

RankStatement statement_of(const Program& program) {
  return {"the program", print(program)};
}

RankStatement statement_of(const Plan& plan) {
  return {"the plan", decisions_text(plan)};
}

void require_agreement(Communicator& world,
                       const std::function<std::vector<RankStatement>()>& make) {
  if (world.size() == 1) return;
  const std::string text = written(make());
  world.set_context("comparing what the ranks are about to do");
  const auto mine = static_cast<int64_t>(hash_bytes(text));
  const std::vector<size_t> counts(static_cast<size_t>(world.size()), 1);
  std::vector<int64_t> all(counts.size());
  world.all_gather(&mine, all.data(), counts, DType::i64);
  std::vector<int> different;
  for (size_t r = 0; r < all.size(); ++r)
    if (all[r] != all[0]) different.push_back(static_cast<int>(r));
  if (different.empty()) return;
  const std::string first = text_of_rank(world, text, 0);
  const std::string other = text_of_rank(world, text, different[0]);
  const std::string who =
      name_ranks(different) + (different.size() == 1 ? " differs" : " differ") + " from rank 0";
  throw CommError("the ranks do not agree about " +
                  first_difference(first, other, different[0], who) +
                  ". Start all ranks with the same program, data, seed, settings and build of "
                  "tessera");
}

}  // namespace tessera
