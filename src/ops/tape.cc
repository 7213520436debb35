#include "ops/tape.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "base/check.h"

namespace moiety {

float* Tape::Gradient(WeightRef weight) const {
  const auto it = weights_.find(weight.operator->());
  return it == weights_.end() ? nullptr : it->second;
}

void Tape::AddValue(const Matrix& value) {
  const auto next = values_.upper_bound(value.data);
  MOIETY_CHECK(next == values_.end() || value.data + value.size() <= next->first);
  if (next != values_.begin()) {
    const auto& [data, before] = *std::prev(next);
    MOIETY_CHECK(data + before.size <= value.data && data != value.data);
  }
  values_.emplace_hint(next, value.data, Value{value.size(), value.size(), nullptr});
  order_.push_back(value.data);
}

// The value that these rows belong to.
Tape::Values::iterator Tape::Find(const Matrix& value) {
  auto it = values_.upper_bound(value.data);
  MOIETY_CHECK(it != values_.begin());
  --it;
  MOIETY_CHECK(value.data + value.size() <= it->first + it->second.size);
  return it;
}

Matrix Tape::Gradient(const Matrix& value) {
  if (!status_.ok() || value.size() == 0) return {nullptr, value.rows, value.cols};
  const auto it = Find(value);
  Value& whole = it->second;
  if (whole.gradient == nullptr) {
    if (const auto freed = free_.find(whole.size); freed != free_.end()) {
      whole.gradient = freed->second;
      free_.erase(freed);
    } else {
      Result<std::byte*> memory = arena_.Allocate(static_cast<size_t>(whole.size) * sizeof(float));
      if (!memory.ok()) {
        status_ = std::move(memory).status();
        return {nullptr, value.rows, value.cols};
      }
      whole.gradient = reinterpret_cast<float*>(*memory);
    }
    std::fill_n(whole.gradient, whole.size, 0.0F);
  }
  return {whole.gradient + (value.data - it->first), value.rows, value.cols};
}

Matrix Tape::ReceivedGradient(const Matrix& value) {
  if (!status_.ok() || value.size() == 0) return {};
  const auto it = Find(value);
  if (it->second.gradient == nullptr) return {};
  return {it->second.gradient + (value.data - it->first), value.rows, value.cols};
}

void Tape::Release(const Matrix& value) {
  if (value.size() == 0) return;
  Value& whole = Find(value)->second;
  whole.unreleased -= value.size();
  if (whole.unreleased > 0 || whole.gradient == nullptr) return;
  free_.emplace(whole.size, std::exchange(whole.gradient, nullptr));
}

void Tape::BackwardTo(Mark mark) {
  while (steps_.size() > mark.steps) {
    const std::function<void()> step = std::move(steps_.back());
    steps_.pop_back();
    if (status_.ok()) step();
  }
  while (order_.size() > mark.values) {
    const auto it = values_.find(order_.back());
    order_.pop_back();
    if (it->second.gradient != nullptr) free_.emplace(it->second.size, it->second.gradient);
    values_.erase(it);
  }
}

Status Tape::Backward() {
  BackwardTo({});
  free_.clear();
  arena_.Release({});
  return std::exchange(status_, OkStatus());
}

}  // namespace moiety
