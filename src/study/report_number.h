// How reports write numbers.
#ifndef MOIETY_STUDY_REPORT_NUMBER_H_
#define MOIETY_STUDY_REPORT_NUMBER_H_

#include <nlohmann/json_fwd.hpp>
#include <span>

namespace moiety {

inline constexpr int kReportDigits = 6;

// The number rounded to that many significant digits, so that pages with many stay small; null for
// what is not finite.
nlohmann::json ReportNumber(double value, int digits = kReportDigits);

// A list of such.
nlohmann::json ReportNumbers(std::span<const double> values, int digits = kReportDigits);

}  // namespace moiety

#endif  // MOIETY_STUDY_REPORT_NUMBER_H_
