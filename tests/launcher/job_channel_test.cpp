// The two ends of a job's side channel, job_server.h and job_link.h, in one process.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <future>
#include <thread>

#include "base/error.h"
#include "launcher/exit_code.h"
#include "launcher/job_link.h"
#include "launcher/job_output.h"
#include "tests/launcher/temp_folder.h"

namespace tessera {
namespace {

using std::chrono::milliseconds;

template <typename Ready>
bool soon(Ready ready) {
  for (int i = 0; i < 500; ++i) {
    if (ready()) return true;
    std::this_thread::sleep_for(milliseconds(10));
  }
  return false;
}

struct End {
  std::promise<LinkEnd> how;
};

std::unique_ptr<JobLink> link_to(const JobAddress& address, int rank, End* end = nullptr,
                                 std::shared_ptr<Activity> activity = nullptr) {
  JobLinkOptions options;
  options.address = address;
  options.rank = rank;
  options.timeout = 60;
  options.activity = std::move(activity);
  options.end = [end](JobLink&, LinkEnd how, double) {
    if (end != nullptr) end->how.set_value(how);
  };
  return std::make_unique<JobLink>(std::move(options));
}

class JobChannel : public testing::TestWithParam<bool> {
 protected:
  std::unique_ptr<JobServer> serve(int ranks, double silence = 15) {
    return std::make_unique<JobServer>(ranks, GetParam(), folder_.path(), silence);
  }
  TempFolder folder_;
};

TEST_P(JobChannel, KnowsWhoHasStartedAndWhatItDoes) {
  const auto server = serve(2);
  EXPECT_EQ(server->address().several_hosts(), GetParam());
  EXPECT_EQ(server->not_started(), (std::vector<int>{0, 1}));
  const auto activity = std::make_shared<Activity>();
  const std::string kernel = "task 2, h, fit.tess:7";
  activity->work(&kernel);
  activity->step(17);
  auto link = link_to(server->address(), 1, nullptr, activity);
  EXPECT_TRUE(soon([&] { return server->not_started() == std::vector<int>{0}; }));
  EXPECT_TRUE(soon([&] { return server->doing(1) == kernel; })) << server->doing(1);
  EXPECT_EQ(server->last_step(), 17);
  EXPECT_EQ(server->process(1).pid, getpid());
  EXPECT_TRUE(server->any_running());
  EXPECT_FALSE(server->first_gone());
  link.reset();
  EXPECT_TRUE(soon([&] { return !server->any_running(); }));
  EXPECT_EQ(server->first_gone(), 1);
}

TEST_P(JobChannel, TheErrorThatIsNotAboutAPeerIsTheCause) {
  const auto server = serve(3);
  const auto first = link_to(server->address(), 0), second = link_to(server->address(), 1),
             third = link_to(server->address(), 2);
  first->failed(kPeerFailed, "rank 2 failed");
  ASSERT_TRUE(soon([&] { return server->cause().has_value(); }));
  EXPECT_EQ(server->cause()->rank, 0);
  const auto start = std::chrono::steady_clock::now();
  first->await_cause(0.3);
  EXPECT_GE(std::chrono::steady_clock::now() - start, milliseconds(290)) << "nobody knows it yet";
  third->failed(kInputWrong, "fit.tess:7:14: there is no dim\nas said");
  first->await_cause(30);
  EXPECT_EQ(server->cause()->rank, 2);
  EXPECT_EQ(server->cause()->code, kInputWrong);
  EXPECT_EQ(server->cause()->text, "fit.tess:7:14: there is no dim\nas said");
}

// Also those that come later.
TEST_P(JobChannel, AsksEveryRankToLeave) {
  const auto server = serve(2);
  std::atomic<int> asked[2] = {0, 0};
  const auto join = [&](int rank) {
    JobLinkOptions options;
    options.address = server->address();
    options.rank = rank;
    options.leave = [&asked, rank](int signal) { asked[rank] = signal; };
    options.end = [](JobLink&, LinkEnd, double) {};
    return std::make_unique<JobLink>(std::move(options));
  };
  const auto first = join(0);
  ASSERT_TRUE(soon([&] { return server->not_started() == std::vector<int>{1}; }));
  EXPECT_EQ(asked[0], 0);
  server->ask_to_leave(SIGTERM);
  EXPECT_TRUE(soon([&] { return asked[0] == SIGTERM; }));
  const auto second = join(1);
  EXPECT_TRUE(soon([&] { return asked[1] == SIGTERM; }));
}

TEST_P(JobChannel, AnEndOfTheServerIsNoticed) {
  auto server = serve(1);
  End end;
  const auto link = link_to(server->address(), 0, &end);
  ASSERT_TRUE(soon([&] { return server->any_running(); }));
  server.reset();
  EXPECT_EQ(end.how.get_future().get(), LinkEnd::gone);
}

TEST_P(JobChannel, WhoeverDoesNotHaveTheTokenIsSentAway) {
  const auto server = serve(1);
  JobAddress address = server->address();
  address.token = "guessed";
  End end;
  const auto link = link_to(address, 0, &end);
  EXPECT_EQ(end.how.get_future().get(), LinkEnd::gone);
  EXPECT_EQ(server->not_started(), std::vector<int>{0});
}

// A server that accepts and says nothing, as one whose host is cut off.
TEST(JobLink, SilenceIsNoticed) {
  const TempFolder folder;
  JobAddress address{"token", {}, 0.3, {}};
  const int socket = listen_for_ranks(folder.path(), false, address);
  End end;
  const auto start = std::chrono::steady_clock::now();
  const auto link = link_to(address, 0, &end);
  EXPECT_EQ(end.how.get_future().get(), LinkEnd::silent);
  EXPECT_GE(std::chrono::steady_clock::now() - start, milliseconds(300));
  ::close(socket);
}

TEST(JobServer, SilenceIsNoticed) {
  const TempFolder folder;
  const JobServer server(1, false, folder.path(), 15);
  JobWire mute(connect_to_launcher(server.address(), 5));
  mute.send({JobWord::hello, server.address().token + " 0 1 1 elsewhere"});
  EXPECT_TRUE(soon([&] { return server.silent(0.3) == std::vector<int>{0}; }));
  mute.send({JobWord::alive, "1\n"});
  EXPECT_TRUE(soon([&] { return server.silent(0.3).empty(); }));
}

TEST(JobLink, SaysThatNobodyListens) {
  const JobAddress address{"token", {}, 15, {"unix:/nowhere/job"}};
  EXPECT_EQ(message_of<CommError>([&] { link_to(address, 3); }),
            "rank 3 on " + this_process().host +
                " cannot reach the process that started the job, at unix:/nowhere/job: let hosts "
                "of the job connect to each other on all ports");
}

TEST(JobWire, ClosesUponWhatIsNoWord) {
  int ends[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
  JobWire wire(ends[0]);
  ASSERT_EQ(::write(ends[1], "GET / HTTP/1.1\r\n", 16), 16);
  EXPECT_TRUE(wire.receive().empty());
  EXPECT_FALSE(wire.open());
  ::close(ends[1]);
}

TEST(JobWire, KeepsWordsApart) {
  int ends[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
  JobWire out(ends[0]), in(ends[1]);
  out.send({JobWord::alive, "one"});
  out.send({JobWord::error, ""});
  const std::vector<JobWord> words = in.receive();
  ASSERT_EQ(words.size(), 2u);
  EXPECT_EQ(words[0].text, "one");
  EXPECT_EQ(words[1].kind, JobWord::error);
  out.close();
  EXPECT_TRUE(in.receive().empty());
  EXPECT_FALSE(in.open());
}

TEST(JobAddress, OfAFileMayHoldSpaces) {
  const JobAddress address{"abc", {"h1", 71, 9}, 2.5, {"unix:/tmp/my files/job"}};
  EXPECT_EQ(parse_job_address(print_job_address(address)).value().where, address.where);
}

TEST(JobAddress, IsReadAsPrinted) {
  const JobAddress address{"abc", {"h1", 71, 9}, 2.5, {"10.0.0.1:99", "10.1.0.1:99"}};
  const auto read = parse_job_address(print_job_address(address));
  ASSERT_TRUE(read);
  EXPECT_EQ(read->where, address.where);
  EXPECT_EQ(read->silence, 2.5);
  EXPECT_EQ(read->launcher.host, "h1");
  EXPECT_EQ(read->launcher.pid, 71);
  EXPECT_EQ(read->launcher.started, 9u);
  EXPECT_TRUE(read->several_hosts());
  EXPECT_FALSE(parse_job_address("abc h1 71 9 2.5"));
  EXPECT_FALSE(parse_job_address(""));
}

TEST(JobOutput, ReadsWhatMpirunSays) {
  const auto death = death_in(
      "mpirun noticed that process rank 3 with PID 0 on node h2 exited on signal 9 (Killed).\n");
  ASSERT_TRUE(death);
  EXPECT_EQ(death->rank, 3);
  EXPECT_EQ(death->how, "signal 9 (Killed)");
  EXPECT_EQ(lost_host_in("  Remote daemon: [[52911,0],1] on node h2\n"), "h2");
  EXPECT_FALSE(lost_host_in("  HNP daemon   : [[52911,0],0] on node h1\n"));
}

INSTANTIATE_TEST_SUITE_P(On, JobChannel, testing::Bool(),
                         [](const auto& info) { return info.param ? "Network" : "OneHost"; });

}  // namespace
}  // namespace tessera
