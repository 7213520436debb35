#include "jinja/value.h"

#include <gtest/gtest.h>

namespace moiety::jinja {
namespace {

TEST(IsEqual, NumbersOfAllTypes) {
  EXPECT_TRUE(IsEqual(Value::Int(1), Value::Float(1.0)));
  EXPECT_TRUE(IsEqual(Value::Int(1), Value::Bool(true)));
  EXPECT_FALSE(IsEqual(Value::Int(1), Value::Literal("1")));
  EXPECT_FALSE(IsEqual(Value::Int(INT64_MAX), Value::Float(9223372036854775807.0)));
  EXPECT_EQ(Hash(Value::Int(5)), Hash(Value::Float(5.0)));
  EXPECT_EQ(Hash(Value::Bool(true)), Hash(Value::Float(1.0)));
}

TEST(IsTrue, AsInPython) {
  EXPECT_FALSE(IsTrue(Value()));
  EXPECT_FALSE(IsTrue(Value::None()));
  EXPECT_FALSE(IsTrue(Value::Float(0.0)));
  EXPECT_FALSE(IsTrue(Value::Literal("")));
  EXPECT_TRUE(IsTrue(Value::Literal("0")));
}

TEST(DictObject, KeepsOrderAndFindsEachOfManyKeys) {
  DictObject dict;
  for (int i = 0; i < 1000; ++i) {
    dict.Set(Value::Literal(std::to_string(i)), Value::Int(i));
    dict.Set(Value::Int(i), Value::Int(-i));
  }
  dict.Set(Value::Float(5.0), Value::Int(55));  // the key 5
  EXPECT_EQ(dict.entries.size(), 2000U);
  for (int i = 0; i < 1000; ++i) {
    ASSERT_NE(dict.Find(std::to_string(i)), nullptr);
    EXPECT_EQ(dict.Find(std::to_string(i))->integer(), i);
    EXPECT_EQ(dict.Find(Value::Int(i))->integer(), i == 5 ? 55 : -i);
  }
  EXPECT_EQ(dict.Find("x"), nullptr);
  EXPECT_EQ(dict.Find(Value::None()), nullptr);
  EXPECT_EQ(dict.entries[2].first.string(), "1");
}

TEST(StringObject, CountsCodePoints) {
  EXPECT_EQ(StringObject("a\xC3\xA9\xF0\x9F\x99\x82").length, 3);
  EXPECT_TRUE(StringObject("abc").is_ascii());
  EXPECT_FALSE(StringObject("\xC3\xA9").is_ascii());
}

}  // namespace
}  // namespace moiety::jinja
