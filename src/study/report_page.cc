#include "study/report_page.h"

#include <nlohmann/json.hpp>
#include <string_view>
#include <utility>

#include "jinja/text_edit.h"
#include "study/report_assets.h"

namespace moiety {
namespace {

using nlohmann::json;

// In a script element nothing may look like a tag, such as the end of the script.
std::string ScriptJson(const json& document) {
  const std::string text = document.dump(-1, ' ', false, json::error_handler_t::replace);
  std::string safe;
  safe.reserve(text.size() + text.size() / 64);
  for (const char c : text) {
    if (c == '<') {
      safe += "\\u003c";
    } else {
      safe += c;
    }
  }
  return safe;
}

void AddElement(std::string_view open, std::string_view content, std::string_view close,
                std::string& page) {
  page += open;
  page += content;
  page += close;
}

}  // namespace

json ReportDocument(const std::string& name, const std::string& moiety_version, json training,
                    json experts) {
  json document = {
      {"format", "moiety-report"}, {"version", 1}, {"moiety", moiety_version}, {"name", name}};
  if (!training.is_null()) document["training"] = std::move(training);
  if (!experts.is_null()) document["experts"] = std::move(experts);
  return document;
}

std::string ReportPage(const json& document) {
  std::string page =
      "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
      // Nothing but what is in this file, whatever it says.
      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
      "style-src 'unsafe-inline'; script-src 'unsafe-inline'\">\n";
  // Through JSON, so that it is UTF-8.
  const json name = json::parse(ScriptJson(document.at("name")));
  AddElement("<title>", jinja::EscapeHtml(name.get<std::string>()), " – moiety report</title>\n",
             page);
  AddElement("<style>\n", kChartStyle, "\n</style>\n", page);
  AddElement("<style>\n", kReportStyle, "</style>\n</head>\n<body>\n", page);
  page += "<main id=\"page\"><noscript>This report is drawn by scripts.</noscript></main>\n";
  AddElement("<script type=\"application/json\" id=\"report\">", ScriptJson(document),
             "</script>\n", page);
  AddElement("<!-- The charts are drawn by uPlot:\n", kChartLicence, "-->\n", page);
  AddElement("<script>\n", kChartScript, "</script>\n", page);
  AddElement("<script>\n", kReportFiguresScript, "</script>\n", page);
  AddElement("<script>\n", kReportScript, "</script>\n</body>\n</html>\n", page);
  return page;
}

}  // namespace moiety
