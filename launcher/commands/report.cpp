#include <nlohmann/json.hpp>

#include "launcher/commands/commands.h"
#include "launcher/exit_code.h"
#include "launcher/json_text.h"
#include "launcher/report/page.h"
#include "launcher/standard_streams.h"
#include "storage/atomic_file.h"

namespace tessera {
namespace {

struct ReportArguments {
  std::string run;
  std::string out;
  bool json = false;
};

int report(const ReportArguments& arguments) {
  std::string folder = arguments.run;
  while (folder.size() > 1 && folder.back() == '/') folder.pop_back();
  const std::string out = arguments.out.empty() ? folder + "/report.html" : arguments.out;
  const std::string page = report_page(read_run(folder));
  write_file(out, page);
  if (arguments.json)
    print_out("{}\n", json_text(nlohmann::json{{"file", out}, {"bytes", page.size()}}));
  else
    print_out("report in {}: open it in a browser; it needs no other file\n", out);
  return kDone;
}

}  // namespace

void add_report_command(CLI::App& app, Action& action) {
  auto arguments = std::make_shared<ReportArguments>();
  CLI::App* command = app.add_subcommand(
      "report", "Make one page of HTML about a run: loss, throughput, tasks, memory, plan, host");
  command->add_option("RUN", arguments->run, "the folder of a run")->required();
  command->add_option("--out", arguments->out,
                      "where the page goes (default: report.html in the folder)");
  command->add_flag("--json", arguments->json, "print one JSON object");
  command->callback([=, &action] { action = [=] { return report(*arguments); }; });
}

}  // namespace tessera
