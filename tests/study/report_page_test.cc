#include "study/report_page.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "study/report_assets.h"

namespace moiety {
namespace {

using nlohmann::json;
using testing::HasSubstr;
using testing::Not;

// What the page's script reads.
json DocumentOf(const std::string& page) {
  const std::string open = "<script type=\"application/json\" id=\"report\">";
  const size_t begin = page.find(open) + open.size();
  return json::parse(page.substr(begin, page.find("</script>", begin) - begin));
}

TEST(ReportPage, HasItsDocumentAndAllThatDrawsIt) {
  const json document = ReportDocument("run", "1.2.3", {{"steps", 4}}, nullptr);
  EXPECT_EQ(document, json::parse(R"({"format": "moiety-report", "version": 1, "moiety": "1.2.3",
                                      "name": "run", "training": {"steps": 4}})"));
  const std::string page = ReportPage(document);
  EXPECT_EQ(DocumentOf(page), document);
  EXPECT_THAT(page, testing::StartsWith("<!doctype html>\n"));
  EXPECT_THAT(page, HasSubstr("<title>run "));
  for (const std::string_view part : {kReportStyle, kReportFiguresScript, kReportScript,
                                      kChartStyle, kChartScript, kChartLicence}) {
    EXPECT_GT(part.size(), 1000U);
    EXPECT_THAT(page, HasSubstr(std::string(part)));
  }
  EXPECT_THAT(page, HasSubstr("The MIT License"));
  EXPECT_THAT(page, HasSubstr("uPlot (v1.6."));
}

TEST(ReportPage, NeedsNothingElse) {
  const std::string page = ReportPage(ReportDocument("run", "1", nullptr, nullptr));
  EXPECT_THAT(page, HasSubstr("default-src 'none'; style-src 'unsafe-inline'; "
                              "script-src 'unsafe-inline'\""));
  for (const char* load : {"src=", "url(", "@import", "<link", "<img", "fetch(", "XMLHttpRequest",
                           "WebSocket", "EventSource", "sendBeacon", "import(", "Worker("}) {
    EXPECT_THAT(page, Not(HasSubstr(load)));
  }
}

TEST(ReportPage, NamesAreText) {
  const std::string name = "</script><b>&\xFF";
  const std::string page = ReportPage(ReportDocument(name, "1", nullptr, {{"x", "<!--"}}));
  EXPECT_EQ(DocumentOf(page)["name"], "</script><b>&\uFFFD");
  EXPECT_EQ(DocumentOf(page)["experts"]["x"], "<!--");
  EXPECT_THAT(page, HasSubstr("<title>&lt;/script&gt;&lt;b&gt;&amp;\uFFFD "));
  EXPECT_THAT(page, Not(HasSubstr("</script><b>")));
}

}  // namespace
}  // namespace moiety
