#include "moiety/status.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>

namespace moiety {
namespace {

Result<int> Half(int x) {
  if (x % 2 != 0) return InvalidArgument("odd");
  return x / 2;
}

Result<int> Quarter(int x) {
  MOIETY_ASSIGN_OR_RETURN(const int half, Half(x));
  MOIETY_ASSIGN_OR_RETURN(const int quarter, Half(half));
  return quarter;
}

Status Check(int x) {
  MOIETY_RETURN_IF_ERROR(Half(x).status());
  return OkStatus();
}

TEST(Status, CarriesCodeAndMessage) {
  EXPECT_TRUE(Status().ok());
  EXPECT_TRUE(OkStatus().ok());
  EXPECT_EQ(OkStatus().message(), "");
  const Status status = NotFound("no x");
  EXPECT_FALSE(status.ok());
  EXPECT_EQ(status.code(), StatusCode::kNotFound);
  EXPECT_EQ(status.message(), "no x");
  EXPECT_EQ(InvalidArgument("").code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(InvalidData("").code(), StatusCode::kInvalidData);
  EXPECT_EQ(Unsupported("").code(), StatusCode::kUnsupported);
  EXPECT_EQ(IoError("").code(), StatusCode::kIoError);
  EXPECT_EQ(ResourceExhausted("").code(), StatusCode::kResourceExhausted);
  EXPECT_EQ(Cancelled("").code(), StatusCode::kCancelled);
}

TEST(Status, ContextGoesInFront) {
  const Status status = NotFound("no x").WithContext("in y");
  EXPECT_EQ(status.message(), "in y: no x");
  EXPECT_EQ(status.code(), StatusCode::kNotFound);
  EXPECT_EQ(OkStatus().WithContext("in y").message(), "");
}

TEST(Result, IsAValueOrAStatus) {
  const Result<int> good = Half(4);
  ASSERT_TRUE(good.ok());
  EXPECT_EQ(*good, 2);
  EXPECT_TRUE(good.status().ok());
  const Result<int> bad = Half(3);
  EXPECT_FALSE(bad.ok());
  EXPECT_EQ(bad.status().message(), "odd");
}

TEST(Result, HoldsWhatCanOnlyBeMoved) {
  Result<std::unique_ptr<std::string>> result(std::make_unique<std::string>("x"));
  EXPECT_EQ((*result)->size(), 1U);
  const std::unique_ptr<std::string> taken = *std::move(result);
  EXPECT_EQ(*taken, "x");
}

TEST(StatusMacros, ReturnTheFirstError) {
  EXPECT_EQ(*Quarter(8), 2);
  EXPECT_EQ(Quarter(6).status().message(), "odd");
  EXPECT_EQ(Quarter(3).status().message(), "odd");
  EXPECT_TRUE(Check(2).ok());
  EXPECT_EQ(Check(1).code(), StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace moiety
