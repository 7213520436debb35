// What the pages of reports are made of: files that the build embeds (src/CMakeLists.txt).
#ifndef MOIETY_STUDY_REPORT_ASSETS_H_
#define MOIETY_STUDY_REPORT_ASSETS_H_

#include <string_view>

namespace moiety {

extern const std::string_view kReportStyle;          // study/report_page.css
extern const std::string_view kReportFiguresScript;  // study/report_figures.js
extern const std::string_view kReportScript;         // study/report_page.js
extern const std::string_view kChartStyle;           // third_party/uplot-*/
extern const std::string_view kChartScript;
extern const std::string_view kChartLicence;

}  // namespace moiety

#endif  // MOIETY_STUDY_REPORT_ASSETS_H_
