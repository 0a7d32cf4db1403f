// What the README and the pages of docs/ show is true: programs run, configs load, commands run
// and print what is printed there, C++ compiles, links lead somewhere.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <regex>

#include "ir/interpret.h"
#include "ir/normalize.h"
#include "ir/parse.h"
#include "ir/print.h"
#include "ir/random.h"
#include "ir/random_inputs.h"
#include "ir/stack_loops.h"
#include "launcher/config.h"
#include "launcher/planning.h"
#include "partition/lower.h"
#include "partition/manual_plan.h"
#include "runtime/task_graph.h"
#include "tests/cli/run_tessera.h"
#include "tests/docs/page.h"
#include "tests/runtime/close.h"
#include "tests/runtime/run_ranks.h"

namespace tessera {
namespace {

namespace fs = std::filesystem;

const std::string kTop = TESSERA_SOURCE_DIR;

std::vector<std::string> page_names() {
  std::vector<std::string> names = {"README.md", "CONTRIBUTING.md"};
  for (const auto& entry : fs::directory_iterator(kTop + "/docs"))
    if (entry.path().extension() == ".md")
      names.push_back("docs/" + entry.path().filename().string());
  std::sort(names.begin(), names.end());
  return names;
}

// Numbers and their units stand for any; columns may be wider or narrower.
std::string without_numbers(const std::string& line) {
  static const std::regex number(R"([0-9]+([.,:][0-9]+)*(e-?[0-9]+)?( (ns|us|ms|s|[KMG]?i?B)\b)?)");
  static const std::regex blanks(" +");
  return std::regex_replace(std::regex_replace(line, number, "#"), blanks, " ");
}

// The first line of `wanted` that does not follow in `found`, or "".
std::string first_missing(const std::string& wanted, const std::string& found) {
  const std::vector<std::string> lines = lines_of(found);
  size_t at = 0;
  for (const std::string& line : lines_of(wanted)) {
    if (line == "…") continue;
    const std::string form = without_numbers(line);
    while (at < lines.size() && without_numbers(lines[at]) != form) ++at;
    if (at++ == lines.size()) return line;
  }
  return "";
}

double tolerance_of(const Array& array) {
  return is_half(array.type) ? 2e-2 : 2e-4;
}

// One step on random inputs is what the interpreter says, on one rank and on three.
void expect_ranks_agree(const Program& program) {
  const Arrays inputs = random_inputs(program, 7);
  const Arrays start = initial_state(program, 7);
  Arrays state = start;
  const Arrays wanted = interpret(program, inputs, state);
  const Program normal = stack_loops(normalize(program));
  for (const int ranks : {1, 3}) {
    PlanSettings settings;
    settings.mesh = Mesh{{{"data", ranks}}};
    const Plan plan = make_plan(normal, ranks, settings);
    const RunRecord run = run_on_local_ranks(normal, plan, inputs, start);
    const std::string place = " on " + std::to_string(ranks) + " ranks";
    for (const auto& [name, array] : wanted)
      expect_close(run.outputs[0].at(name), array, tolerance_of(array), name + place);
    for (const auto& [name, array] : state)
      expect_close(run.state.at(name), array, tolerance_of(array), name + place);
  }
}

// What each stage prints for a program whose pins are for two ranks.
std::map<std::string, std::string> stages_of(const Program& program) {
  std::map<std::string, std::string> stages;
  const Program normal = normalize(program);
  stages["normal"] = print(normal);
  const Program running = stack_loops(normal);
  const Plan plan = manual_plan(running, parse_mesh("data=2"), {});
  stages["plan"] = print(plan);
  const ShardedProgram sharded = lower(running, plan, 0);
  stages["sharded"] = print(sharded);
  const TaskGraph graph = build_task_graph(sharded);
  stages["tasks"] = print(graph);
  each_task(graph.tasks, [&text = stages["kernels"]](const Task& task) {
    if (task.kind != TaskKind::compute) return;
    text += (text.empty() ? "" : "\n") + describe(task.group);
    if (text.back() != '\n') text += '\n';
  });
  return stages;
}

// One page, read from top to bottom in a folder of its own.
class Reader {
 public:
  explicit Reader(Page page) : page_(std::move(page)) {}

  void read() {
    for (size_t i = 0; i < page_.blocks.size(); ++i) {
      const Block block = page_.blocks[i];
      SCOPED_TRACE(page_.name + ":" + std::to_string(block.line));
      ASSERT_NO_THROW(read(block));
    }
    for (auto it = changes_.rbegin(); it != changes_.rend(); ++it)
      page_.text.replace(it->first.begin, it->first.text.size(), it->second);
    if (!changes_.empty()) std::ofstream(kTop + "/" + page_.name) << page_.text;
  }

  int commands() const { return commands_; }

 private:
  void read(const Block& block) {
    if (block.word(0) == "tess") {
      program(block);
    } else if (block.word(0) == "yaml") {
      config(block);
    } else if (block.is("sh", "run")) {
      run(block);
    } else if (block.is("text", "output")) {
      EXPECT_EQ(first_missing(block.text, output_), "") << "what was printed:\n" << output_;
    } else if (block.is("text", "stage")) {
      stage(block);
    } else if (block.is("cpp", "compile")) {
      compile(block);
    }
  }

  void keep(const Block& block) {
    if (block.words.size() < 2) return;
    const fs::path path = folder_.file(block.words[1]);
    fs::create_directories(path.parent_path());
    std::ofstream(path) << block.text;
  }

  void program(const Block& block) {
    keep(block);
    program_ = parse(block.text, {block.words.size() > 1 ? block.words[1] : page_.name, {}});
    EXPECT_TRUE(parse(print(*program_)) == *program_);
    EXPECT_FALSE(program_->outputs().empty());
    expect_ranks_agree(*program_);
  }

  void config(const Block& block) {
    keep(block);
    if (block.text.rfind("program:", 0) != 0) return;
    const std::string file = folder_.file(block.words.size() > 1 ? block.words[1] : "config.yaml");
    const Config config = parse_config(block.text, file);
    EXPECT_TRUE(parse_config(print_config(config), file) == config);
  }

  CommandResult shell(const std::string& command) {
    CommandResult result;
    SubprocessOptions options = tessera_command({}, result);
    options.argv = {"/bin/sh", "-c", "cd '" + folder_.path() + "' && " + command};
    Subprocess process(options);
    const std::optional<ExitStatus> status = process.wait(60);
    result.code = status ? status->code() : process.stop(1).code();
    return result;
  }

  void run(const Block& block) {
    const std::string start = "./tessera ";
    output_.clear();
    for (const std::string& line : lines_of(block.text)) {
      if (line.rfind(start, 0) != 0) continue;
      const CommandResult result = shell("'" TESSERA_PROGRAM "' " + line.substr(start.size()));
      EXPECT_EQ(result.code, 0) << line << "\n" << result.err;
      output_ += result.out;
      ++commands_;
    }
  }

  void stage(const Block& block) {
    ASSERT_TRUE(program_) << "a program comes first";
    const std::map<std::string, std::string> stages = stages_of(*program_);
    const auto it = stages.find(block.word(2));
    ASSERT_NE(it, stages.end()) << "no stage `" << block.word(2) << "`";
    if (std::getenv("TESSERA_UPDATE_GOLDEN") == nullptr) {
      EXPECT_EQ(block.text, it->second) << "TESSERA_UPDATE_GOLDEN=1 accepts the change";
    } else if (block.text != it->second) {
      changes_.push_back({block, it->second});
    }
  }

  void compile(const Block& block) {
    const std::string file = folder_.write("snippet.cpp", block.text);
    const CommandResult result =
        shell("'" TESSERA_CXX "' -std=c++20 -Wall -Wextra -fsyntax-only -I'" + kTop + "' -I'" +
              kTop + "/include' " + file);
    EXPECT_EQ(result.code, 0) << result.err;
    EXPECT_EQ(result.err, "");
    ++commands_;
  }

  Page page_;
  TestFolder folder_;
  std::optional<Program> program_;  // the last one on the page
  std::string output_;              // of the last `sh run`
  int commands_ = 0;
  std::vector<std::pair<Block, std::string>> changes_;
};

class Documents : public ::testing::TestWithParam<std::string> {};

TEST_P(Documents, ShowWhatIsTrue) {
  Reader reader(read_page(kTop, GetParam()));
  reader.read();
  if (GetParam() == "README.md") {
    EXPECT_GE(reader.commands(), 8);
  }
}

TEST_P(Documents, LinkToWhatIsThere) {
  const Page page = read_page(kTop, GetParam());
  ASSERT_FALSE(page.text.empty());
  // After a blank, unlike the brackets of a program: sum[k](x).
  static const std::regex link(R"(\s\[[^\]]*\]\(([^)#\s]+))");
  const fs::path folder = (fs::path(kTop) / page.name).parent_path();
  int links = 0;
  for (std::sregex_iterator it(page.text.begin(), page.text.end(), link), end; it != end; ++it) {
    const std::string target = (*it)[1];
    if (target.find("://") != std::string::npos) continue;
    EXPECT_TRUE(fs::exists(folder / target)) << page.name << " links to " << target;
    ++links;
  }
  if (GetParam() == "README.md") {
    EXPECT_GE(links, 5);
  }
}

INSTANTIATE_TEST_SUITE_P(Pages, Documents, ::testing::ValuesIn(page_names()), [](const auto& page) {
  std::string name = fs::path(page.param).stem().string();
  std::replace_if(
      name.begin(), name.end(), [](char c) { return !std::isalnum(c); }, '_');
  return name;
});

TEST(FirstMissing, TakesNumbersForAnyAndKeepsTheOrder) {
  EXPECT_EQ(first_missing("a 1.5 ms\n…\nb 3 s\n", "x\na 27 us\ny\nb 0.1 s\n"), "");
  EXPECT_EQ(first_missing("b 3 s\na 1\n", "a 1\nb 3 s\n"), "a 1");
  EXPECT_EQ(first_missing("loss 1\n", "less 1\n"), "loss 1");
  EXPECT_EQ(first_missing("x: f32[3] -> x.npy\n", "x: f32[12] -> x.npy\n"), "");
}

}  // namespace
}  // namespace tessera
