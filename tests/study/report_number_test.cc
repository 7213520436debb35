#include "study/report_number.h"

#include <gmock/gmock.h>

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

namespace moiety {
namespace {

TEST(ReportNumber, KeepsSignificantDigits) {
  EXPECT_EQ(ReportNumber(1.23456789).dump(), "1.23457");
  EXPECT_EQ(ReportNumber(-0.000123456789, 3).dump(), "-0.000123");
  EXPECT_EQ(ReportNumber(0.1).dump(), "0.1");
  EXPECT_EQ(ReportNumber(4096).dump(), "4096");
  EXPECT_EQ(ReportNumber(-0.0).dump(), "0");
  EXPECT_EQ(ReportNumber(1e300).get<double>(), 1e300);
  EXPECT_EQ(ReportNumber(std::numeric_limits<double>::max()).dump(), "1.79769e+308");
  EXPECT_EQ(ReportNumber(5e-324).get<double>(), 5e-324);
}

TEST(ReportNumber, IsNullForWhatJsonHasNoWordFor) {
  EXPECT_EQ(ReportNumbers(std::vector<double>{NAN, INFINITY, 2}).dump(), "[null,null,2]");
}

}  // namespace
}  // namespace moiety
