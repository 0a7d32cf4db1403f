// Jobs over several hosts: that they run, that they have the same bits, and what is left of them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ir/random.h"
#include "storage/npy.h"
#include "tests/hosts/separate_hosts.h"

namespace tessera {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class Hosts : public testing::Test {
 protected:
  void make(int count, const std::string& rate = "1gbit") {
    hosts_.emplace(count, rate);
    if (!hosts_->problem().empty()) GTEST_SKIP() << hosts_->problem();
  }
  const SeparateHosts& hosts() const { return *hosts_; }

  // A sum over `n` numbers for each of 64, which a mesh over n reduces between ranks.
  void write_sum(int n) {
    hosts().folder().write("sum.tess", "program s\ndim n = " + std::to_string(n) +
                                           ", m = 20000\ninput x[n, m]\n"
                                           "y = sum[n](x)\noutput y\npin x[n: data]\n");
    Array x = make_array(DType::f32, {n, 20000});
    for (size_t i = 0; i < x.size(); ++i) x.set(i, normal_value(7, 0, static_cast<int64_t>(i)));
    write_npy(hosts().folder().file("x.npy"), x);
  }
  std::string sum(const std::vector<std::string>& where) {
    std::vector<std::string> words = {"eval",  "/srv/sum.tess", "--in",  "x=/srv/x.npy",
                                      "--out", "y=/srv/y.npy",  "--mesh"};
    words.insert(words.end(), where.begin(), where.end());
    const CommandResult result = hosts().tessera(words);
    EXPECT_EQ(result.code, 0) << result.err;
    return read_text(hosts().folder().file("y.npy"));
  }

  std::optional<SeparateHosts> hosts_;
};

TEST_F(Hosts, SumsHaveTheBitsOfOneHost) {
  make(4);
  if (IsSkipped()) return;
  write_sum(60);
  const std::string here = sum({"data=4", "--ranks", "4", "--transport", "local"});
  EXPECT_EQ(here, sum({"data=4", "--host", "h1:2,h2:2"}));
  EXPECT_EQ(here, sum({"data=4", "--host", "h1:1,h2:3"}));
  EXPECT_EQ(here, sum({"data=4", "--host", "h1,h2,h3,h4"}));
  const std::string six = sum({"data=6", "--ranks", "6", "--transport", "local"});
  EXPECT_NE(six, here);
  EXPECT_EQ(six, sum({"data=6", "--host", "h1:2,h2:1,h3:3"}));
  EXPECT_EQ(six, sum({"data=6", "--host", "h3:2,h1:2,h2:2"}));
  for (const std::string host : {"h1", "h2", "h3", "h4"}) EXPECT_EQ(hosts().left_on(host), "");
}

TEST_F(Hosts, AJobTrainsAndKnowsItsNodes) {
  make(2);
  if (IsSkipped()) return;
  hosts().folder().write("hostfile", "# two of them\nh1 slots=2\nh2 slots=2\n");
  hosts().folder().write("job.yaml",
                         "program: {model: mlp, hidden: [64]}\n"
                         "data: {set: fashion-mnist, batch: 64, limit: 640}\n"
                         "train: {epochs: 2, optimizer: {sgd: {lr: 0.1}}}\n"
                         "cluster: {hostfile: hostfile}\n");
  const CommandResult result =
      hosts().tessera({"run", "/srv/job.yaml", "output.dir=/srv/out", "--json"});
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(result.json().at("ranks"), 4);
  EXPECT_THAT(read_text(hosts().folder().file("out/plan.txt")), HasSubstr(" in 2 nodes"));
  EXPECT_THAT(read_text(hosts().folder().file("out/config.yaml")),
              AllOf(HasSubstr("transport: mpi"),
                    HasSubstr("hosts: [{name: h1, ranks: 2}, {name: h2, ranks: 2}]")));
}

TEST_F(Hosts, AHostThatIsNotThereIsNamed) {
  make(1);
  if (IsSkipped()) return;
  write_sum(8);
  const CommandResult result = hosts().tessera(
      {"eval", "/srv/sum.tess", "--in", "x=/srv/x.npy", "--host", "h1:1,h2:1", "--timeout", "20"});
  EXPECT_EQ(result.code, 3);
  EXPECT_THAT(result.err, HasSubstr(" before it had started ranks 0 and 1. On h1:1,h2:1 there must "
                                    "be: a login without a password (`ssh HOST true`), or Slurm; "
                                    "Open MPI; this program, at the same path\n"));
}

TEST_F(Hosts, CalibrationFindsTheRateOfTheLink) {
  make(2, "100mbit");
  if (IsSkipped()) return;
  const CommandResult found =
      hosts().tessera({"calibrate", "--host", "h1:2,h2:2", "--seconds", "1", "--most", "1", "--out",
                       "/srv/cluster.yaml", "--json"});
  ASSERT_EQ(found.code, 0) << found.err;
  const nlohmann::json levels = found.json()["levels"];
  ASSERT_EQ(levels.size(), 2);
  EXPECT_EQ(levels[0]["joins"], 2) << "ranks of a host";
  EXPECT_EQ(levels[1]["joins"], 2) << "hosts";
  EXPECT_NEAR(levels[1]["bandwidth"], 12.5e6, 1.25e6);
  EXPECT_GT(levels[0]["bandwidth"], 10 * 12.5e6);
  const CommandResult plan = hosts().tessera(
      {"plan", "mlp", "--cluster", "/srv/cluster.yaml", "--mesh", "data=4", "--json"});
  EXPECT_EQ(plan.code, 0) << plan.err;
}

}  // namespace
}  // namespace tessera
