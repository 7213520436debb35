#include "ops/rope.h"

#include <algorithm>
#include <cmath>

#include "base/exact_math.h"
#include "kernels/kernels.h"

namespace moiety {
namespace {
constexpr double kTwoPi = 6.28318530717958647692;
}

std::vector<double> RopeFrequencies(double theta, int64_t head_dim) {
  std::vector<double> frequencies;
  for (int64_t i = 0; i < head_dim / 2; ++i) {
    frequencies.push_back(
        ExactPow(theta, -2.0 * static_cast<double>(i) / static_cast<double>(head_dim)));
  }
  return frequencies;
}

void ScaleRopeLinear(std::vector<double>& frequencies, double factor) {
  for (double& frequency : frequencies) frequency /= factor;
}

void ScaleRopeLlama3(std::vector<double>& frequencies, const Llama3RopeScaling& s) {
  const double low_wavelength = s.original_context / s.low_freq_factor;
  const double high_wavelength = s.original_context / s.high_freq_factor;
  for (double& frequency : frequencies) {
    const double wavelength = kTwoPi / frequency;
    if (wavelength > low_wavelength) {
      frequency /= s.factor;
    } else if (wavelength >= high_wavelength) {
      const double smooth = (s.original_context / wavelength - s.low_freq_factor) /
                            (s.high_freq_factor - s.low_freq_factor);
      frequency = (1 - smooth) * frequency / s.factor + smooth * frequency;
    }
  }
}

void ScaleRopeYarn(std::vector<double>& frequencies, double theta, const YarnRopeScaling& s) {
  const auto head_dim = static_cast<double>(2 * frequencies.size());
  // The dimension whose pair turns `turns` times over the original context.
  const auto dimension_of = [&](double turns) {
    return head_dim * ExactLog(s.original_context / (turns * kTwoPi)) / (2 * ExactLog(theta));
  };
  double low = dimension_of(s.beta_fast);
  double high = dimension_of(s.beta_slow);
  if (s.truncate) {
    low = std::floor(low);
    high = std::ceil(high);
  }
  low = std::max(low, 0.0);
  high = std::min(high, head_dim - 1);
  if (low == high) high += 0.001;
  for (size_t i = 0; i < frequencies.size(); ++i) {
    const double ramp = std::clamp((static_cast<double>(i) - low) / (high - low), 0.0, 1.0);
    frequencies[i] = frequencies[i] / s.factor * ramp + frequencies[i] * (1 - ramp);
  }
}

double YarnMscale(double factor, double m) {
  return factor <= 1 ? 1.0 : 0.1 * m * ExactLog(factor) + 1.0;
}

RopeTable MakeRopeTable(const std::vector<double>& frequencies, double attention_factor) {
  RopeTable table;
  for (const double frequency : frequencies) {
    table.inverse_frequencies.push_back(static_cast<float>(frequency));
  }
  table.attention_factor = static_cast<float>(attention_factor);
  return table;
}

RopeAngles ComputeRopeAngles(Exec& exec, const Batch& batch, const RopeTable& table) {
  const auto half = static_cast<int64_t>(table.inverse_frequencies.size());
  const RopeAngles angles{exec.NewMatrix(batch.num_rows(), half),
                          exec.NewMatrix(batch.num_rows(), half), table.interleaved};
  if (!exec.ok()) return angles;
  exec.pool().ParallelFor(static_cast<int64_t>(batch.segments.size()), [&](int64_t s) {
    const Segment& segment = batch.segments[static_cast<size_t>(s)];
    for (int64_t i = 0; i < segment.count; ++i) {
      const auto position = static_cast<float>(segment.position + i);
      float* cos = angles.cos.Row(segment.begin + i);
      float* sin = angles.sin.Row(segment.begin + i);
      for (int64_t k = 0; k < half; ++k) {
        // The angle is rounded to f32 as in the reference implementations, cos and sin are not.
        const float angle = position * table.inverse_frequencies[static_cast<size_t>(k)];
        cos[k] = static_cast<float>(ExactCos(angle)) * table.attention_factor;
        sin[k] = static_cast<float>(ExactSin(angle)) * table.attention_factor;
      }
    }
  });
  return angles;
}

namespace {

// Calls body(row, first column of the head, scratch [num_scratch]) for every head of every row of
// x.
template <class Body>
void ForHeads(Exec& exec, const Matrix& x, int64_t head_dim, int64_t num_scratch,
              const Body& body) {
  exec.pool().ParallelFor((x.rows + 15) / 16, [&](int64_t task) {
    std::vector<float> scratch(static_cast<size_t>(num_scratch));
    for (int64_t i = task * 16; i < std::min(x.rows, (task + 1) * 16); ++i) {
      for (int64_t head = 0; head < x.cols; head += head_dim) body(i, head, scratch.data());
    }
  });
}

// Turned back by the same angles, and for interleaved pairs put back in their order.
void ApplyRopeBackward(Exec& exec, const RopeAngles& angles, const Matrix& dy, const Matrix& dx) {
  const int64_t half = angles.cos.cols;
  ForHeads(exec, dy, 2 * half, 0, [&](int64_t i, int64_t head, float*) {
    const float* const cos = angles.cos.Row(i);
    const float* const sin = angles.sin.Row(i);
    const float* const d = dy.Row(i) + head;
    float* const to = dx.Row(i) + head;
    for (int64_t k = 0; k < half; ++k) {
      to[angles.interleaved ? 2 * k : k] += d[k] * cos[k] + d[k + half] * sin[k];
      to[angles.interleaved ? 2 * k + 1 : k + half] += d[k + half] * cos[k] - d[k] * sin[k];
    }
  });
}

}  // namespace

Matrix ApplyRope(Exec& exec, const Matrix& x, const RopeAngles& angles) {
  const Matrix y = exec.Consume(x);
  if (!exec.ok()) return {};
  const int64_t half = angles.cos.cols;
  const int64_t num_odd = angles.interleaved ? half : 0;
  ForHeads(exec, y, 2 * half, num_odd, [&](int64_t i, int64_t head, float* odd) {
    float* const values = y.Row(i) + head;
    if (angles.interleaved) {
      for (int64_t k = 0; k < half; ++k) {
        odd[k] = values[2 * k + 1];
        values[k] = values[2 * k];
      }
      std::copy_n(odd, half, values + half);
    }
    exec.kernels().rope(values, angles.cos.Row(i), angles.sin.Row(i), half);
  });
  exec.Record(x, y, [&exec, angles](const Matrix& dy, const Matrix& dx) {
    ApplyRopeBackward(exec, angles, dy, dx);
  });
  return y;
}

}  // namespace moiety
