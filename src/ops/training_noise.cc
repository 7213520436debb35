#include "ops/training_noise.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "base/random_field.h"

namespace moiety {
namespace {

// RandomField's uses, apart from those of routing (RouterDraw).
constexpr uint32_t kJitterDraw = 101;
constexpr uint32_t kDropoutDraw = 102;

// Where a row's draws are: its token, in the numbering of the whole batch.
struct RowPlace {
  int64_t sequence = 0;
  int64_t position = 0;
};

std::vector<RowPlace> Places(const Batch& batch, int64_t rows, int64_t first_sequence) {
  std::vector<RowPlace> places;
  places.reserve(static_cast<size_t>(rows));
  for (const Segment& segment : batch.segments) {
    for (int64_t i = 0; i < segment.count; ++i) {
      places.push_back({first_sequence + segment.sequence, segment.position + i});
    }
  }
  // Rows without segments are one sequence.
  while (static_cast<int64_t>(places.size()) < rows) {
    places.push_back({first_sequence, static_cast<int64_t>(places.size())});
  }
  return places;
}

// x ∘ factor(row, column), where the way back needs the factors again.
template <class Factor>
Matrix Multiply(Exec& exec, const Matrix& x, Factor factor) {
  const Matrix y = exec.NewMatrix(x.rows, x.cols);
  if (!exec.ok()) return {};
  exec.pool().ParallelFor(x.rows, [&](int64_t i) {
    for (int64_t k = 0; k < x.cols; ++k) y.Row(i)[k] = x.Row(i)[k] * factor(i, k);
  });
  exec.Record(x, y, [&exec, factor = std::move(factor)](const Matrix& dy, const Matrix& dx) {
    exec.pool().ParallelFor(dy.rows, [&](int64_t i) {
      for (int64_t k = 0; k < dy.cols; ++k) dx.Row(i)[k] += dy.Row(i)[k] * factor(i, k);
    });
  });
  return y;
}

}  // namespace

Matrix RouterJitter(Exec& exec, const Matrix& x, const Batch& batch, int64_t layer) {
  if (exec.tape() == nullptr || exec.tape()->noise().router_jitter == 0) return x;
  const TrainingNoise& noise = exec.tape()->noise();
  return Multiply(exec, x,
                  [field = RandomField(noise.seed, noise.step, kJitterDraw, layer),
                   places = Places(batch, x.rows, noise.first_sequence),
                   share = static_cast<double>(noise.router_jitter)](int64_t row, int64_t column) {
                    const auto [sequence, position] = places[static_cast<size_t>(row)];
                    const double u = field.Uniform(sequence, position, column);
                    return static_cast<float>(1 + share * (2 * u - 1));
                  });
}

Matrix ExpertDropout(Exec& exec, const Matrix& x, std::span<const int32_t> tokens,
                     const Batch& batch, int64_t layer) {
  if (exec.tape() == nullptr || exec.tape()->noise().expert_dropout == 0) return x;
  const TrainingNoise& noise = exec.tape()->noise();
  // A row's number among its token's: they are computed in an order that only the choices decide.
  std::vector<int64_t> copies(tokens.size());
  std::vector<int64_t> seen;
  for (size_t i = 0; i < tokens.size(); ++i) {
    const auto token = static_cast<size_t>(tokens[i]);
    if (token >= seen.size()) seen.resize(token + 1);
    copies[i] = seen[token]++;
  }
  std::vector<RowPlace> of_rows;
  const std::vector<RowPlace> places =
      Places(batch, static_cast<int64_t>(seen.size()), noise.first_sequence);
  for (const int32_t token : tokens) of_rows.push_back(places[static_cast<size_t>(token)]);
  return Multiply(exec, x,
                  [field = RandomField(noise.seed, noise.step, kDropoutDraw, layer),
                   of_rows = std::move(of_rows), copies = std::move(copies), cols = x.cols,
                   p = static_cast<double>(noise.expert_dropout)](int64_t row, int64_t column) {
                    const auto [sequence, position] = of_rows[static_cast<size_t>(row)];
                    const double u = field.Uniform(
                        sequence, position, copies[static_cast<size_t>(row)] * cols + column);
                    return u < p ? 0.0F : static_cast<float>(1 / (1 - p));
                  });
}

}  // namespace moiety
