#include "launcher/junit.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace tessera {
namespace {

TEST(Junit, CountsEveryTestOnce) {
  const TestCounts counts = read_junit(
      "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
      "<testsuite name=\"(empty)\"\n\ttests=\"4\"\n\tfailures=\"1\"\n\tdisabled=\"1\"\n"
      "\tskipped=\"1\"\n\thostname=\"\"\n\ttime=\"12.5\"\n\ttimestamp=\"2026-01-01\"\n\t>\n"
      "\t<testcase name=\"Yaml.Reads\" classname=\"Yaml.Reads\" time=\"0.1\" status=\"run\">\n"
      "\t\t<system-out>a &lt;testcase name=&quot;x&quot; status=&quot;fail&quot; </system-out>\n"
      "\t</testcase>\n"
      "\t<testcase name=\"A&lt;1&gt;.B &amp; &quot;C&quot;\" classname=\"x\" time=\"0.2\" "
      "status=\"fail\">\n\t\t<failure message=\"\"/>\n\t</testcase>\n"
      "\t<testcase name=\"Skips\" classname=\"x\" time=\"0\" status=\"notrun\">\n"
      "\t\t<skipped message=\"\"/>\n\t</testcase>\n"
      "\t<testcase name=\"Off\" classname=\"x\" time=\"0\" status=\"disabled\"/>\n"
      "</testsuite>\n");
  EXPECT_EQ(counts.passed, 1);
  EXPECT_EQ(counts.failed, 1);
  EXPECT_EQ(counts.skipped, 2);
  EXPECT_EQ(counts.seconds, 12.5);
  EXPECT_EQ(counts.failures, std::vector<std::string>{"A<1>.B & \"C\""});
}

TEST(Junit, ATextThatIsNoReportIsAnError) {
  EXPECT_THROW(read_junit("<html></html>"), InternalError);
}

}  // namespace
}  // namespace tessera
