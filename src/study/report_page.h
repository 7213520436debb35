// The page of a report: one HTML file that needs nothing else, and no network.
#ifndef MOIETY_STUDY_REPORT_PAGE_H_
#define MOIETY_STUDY_REPORT_PAGE_H_

#include <nlohmann/json_fwd.hpp>
#include <string>

namespace moiety {

// What a report is made of: a JSON object
//   {"format": "moiety-report", "version": 1, "moiety": the version that made it, "name": …,
//    "training": TrainingReport(), "experts": ExpertReport()}
// of which one of the last two may be missing. `training` and `experts` may be null.
nlohmann::json ReportDocument(const std::string& name, const std::string& moiety_version,
                              nlohmann::json training, nlohmann::json experts);

// The document with the scripts and styles that draw it (report_page.js, report_figures.js,
// report_page.css, and the bundled chart library). The page forbids its browser to load anything
// else. Strings that are no UTF-8 have U+FFFD for such bytes.
std::string ReportPage(const nlohmann::json& document);

}  // namespace moiety

#endif  // MOIETY_STUDY_REPORT_PAGE_H_
