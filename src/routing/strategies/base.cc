// "base": while training, tokens are assigned to experts so that loads are equal and tokens and
// experts fit as well as they can together; afterwards each takes its best expert.
//
//   maximise Σ_t (x_t · gate_e(t)ᵀ) with equal loads; weight = σ(x · gate_eᵀ)
//
// Lewis et al. 2021, "BASE layers", sections 3.1 and 3.2, within each sequence. A token's expert
// depends on later tokens while training.
#include "routing/strategies/base.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <utility>

#include "base/format.h"
#include "ops/softmax.h"
#include "routing/choices.h"
#include "routing/strategies/strategies.h"

namespace moiety {
namespace {

// What was bid for a place at an expert, and by whom.
struct Bid {
  double price;
  int32_t bidder;  // a token, a filler, or kNobody
};
constexpr int32_t kNobody = -1;
constexpr int32_t kReserve = -2;  // a filler's place that nobody has yet, with its price
bool Dearer(const Bid& a, const Bid& b) {
  return a.price != b.price ? a.price > b.price : a.bidder > b.bidder;
}

// The auction in whole numbers, which the doubles hold exactly. Every expert has ⌈tokens / experts⌉
// places; where that is too many, fillers that value all experts alike bid for them too, at most
// one to an expert, so that loads are ⌊⌋ or ⌈⌉ of tokens / experts. Places of an expert are alike:
// what a token pays attention to is the price of the cheapest.
class Auction {
 public:
  explicit Auction(const Matrix& values)
      : num_tokens_(static_cast<size_t>(values.rows)),
        num_experts_(static_cast<size_t>(values.cols)),
        room_((num_tokens_ + num_experts_ - 1) / num_experts_),
        values_(num_tokens_ * num_experts_),
        places_(num_experts_ * room_, Bid{0, kNobody}),
        prices_(num_experts_, 0.0),
        fillers_(num_experts_, kNobody),
        filler_bids_(num_experts_, 0.0) {
    SetValues(values);
  }

  std::vector<int32_t> Run() {
    // Prices are roughly right first, then exactly (Bertsekas 1992, section 4): bids that raise a
    // price by at least 1 end at the best sum, as that loses less than 1 per place of sums that are
    // multiples of more than the number of places.
    for (double raise = std::max(1.0, std::floor(range_ / kFirstShare));;
         raise = std::max(1.0, std::floor(raise / kFiner))) {
      Bidding(raise);
      if (raise == 1) break;
    }
    std::vector<int32_t> assigned(num_tokens_);
    for (size_t i = 0; i < places_.size(); ++i) {
      const auto bidder = static_cast<size_t>(places_[i].bidder);
      if (bidder < num_tokens_) assigned[bidder] = static_cast<int32_t>(i / room_);
    }
    return assigned;
  }

 private:
  static constexpr double kFirstShare = 8;
  static constexpr double kFiner = 8;

  // Distances to a token's best value, as multiples of the number of places + 1.
  void SetValues(const Matrix& values) {
    std::vector<double> best(num_tokens_);
    double range = 0;
    for (size_t t = 0; t < num_tokens_; ++t) {
      const float* const row = values.Row(static_cast<int64_t>(t));
      const auto [low, high] = std::minmax_element(row, row + num_experts_);
      best[t] = static_cast<double>(*high);
      range = std::max(range, best[t] - static_cast<double>(*low));
    }
    if (range == 0) return;
    const auto step = static_cast<double>(places_.size() + 1);
    // As fine as f32 is, but such that prices, which are at most experts · range, stay exact.
    const double units = std::min(0x1p24, 0x1p50 / (step * static_cast<double>(num_experts_)));
    for (size_t i = 0; i < values_.size(); ++i) {
      const double distance = best[i / num_experts_] - static_cast<double>(values.data[i]);
      values_[i] = -step * std::round(distance / range * units);
    }
    range_ = step * std::round(units);
  }

  Bid* PlacesOf(size_t expert) { return places_.data() + expert * room_; }
  // What a filler would have to pay: it takes the place of another one, if there is one.
  double FillerPrice(size_t expert) const {
    return fillers_[expert] == kNobody ? prices_[expert] : filler_bids_[expert];
  }

  // Everybody bids until all places are taken.
  void Bidding(double raise) {
    // All fillers paid about the same, often more than tokens did beside them.
    double reserve = std::numeric_limits<double>::infinity();
    for (size_t e = 0; e < num_experts_; ++e) {
      if (fillers_[e] != kNobody) reserve = std::min(reserve, filler_bids_[e]);
    }
    const bool has_fillers = places_.size() > num_tokens_;
    for (size_t e = 0; e < num_experts_; ++e) {
      Bid* const places = PlacesOf(e);
      std::fill_n(places, room_, Bid{prices_[e], kNobody});
      if (!has_fillers) continue;
      fillers_[e] = kReserve;
      filler_bids_[e] = std::isfinite(reserve) ? std::max(prices_[e], reserve) : prices_[e];
      places[room_ - 1] = {filler_bids_[e], kReserve};
      std::make_heap(places, places + room_, Dearer);
      prices_[e] = places->price;
    }
    std::vector<int32_t> waiting(places_.size());
    std::iota(waiting.rbegin(), waiting.rend(), 0);
    while (!waiting.empty()) {
      const int32_t bidder = waiting.back();
      waiting.pop_back();
      const int32_t evicted = static_cast<size_t>(bidder) < num_tokens_ ? TokenBids(bidder, raise)
                                                                        : FillerBids(bidder, raise);
      if (evicted >= 0) waiting.push_back(evicted);
    }
  }

  int32_t TokenBids(int32_t token, double raise) {
    const double* const values = values_.data() + static_cast<size_t>(token) * num_experts_;
    // Largest and second largest gain, in lanes that a compiler can compute side by side.
    constexpr size_t kLanes = 4;
    constexpr double kLowest = -std::numeric_limits<double>::infinity();
    double best[kLanes] = {kLowest, kLowest, kLowest, kLowest};
    double second[kLanes] = {kLowest, kLowest, kLowest, kLowest};
    const auto add = [&](size_t lane, double gain) {
      const double less = gain < best[lane] ? gain : best[lane];
      second[lane] = second[lane] < less ? less : second[lane];
      best[lane] = best[lane] < gain ? gain : best[lane];
    };
    const size_t whole = num_experts_ / kLanes * kLanes;
    for (size_t e = 0; e < whole; e += kLanes) {
      for (size_t lane = 0; lane < kLanes; ++lane) add(lane, values[e + lane] - prices_[e + lane]);
    }
    for (size_t e = whole; e < num_experts_; ++e) add(e - whole, values[e] - prices_[e]);
    for (size_t lane = 1; lane < kLanes; ++lane) {
      add(0, best[lane]);
      add(0, second[lane]);
    }
    size_t expert = 0;
    while (values[expert] - prices_[expert] != best[0]) ++expert;
    return Take(expert, {prices_[expert] + (best[0] - second[0]) + raise, token});
  }

  int32_t FillerBids(int32_t filler, double raise) {
    double best = std::numeric_limits<double>::infinity();
    double second = best;
    size_t expert = 0;
    for (size_t e = 0; e < num_experts_; ++e) {
      const double price = FillerPrice(e);
      if (price < best) {
        second = std::exchange(best, price);
        expert = e;
      } else {
        second = std::min(second, price);
      }
    }
    const double bid = second + raise;
    filler_bids_[expert] = bid;
    const int32_t other = std::exchange(fillers_[expert], filler);
    if (other == kNobody) return Take(expert, {bid, filler});
    Bid* const places = PlacesOf(expert);
    *std::find_if(places, places + room_, [other](const Bid& b) { return b.bidder == other; }) = {
        bid, filler};
    std::make_heap(places, places + room_, Dearer);
    prices_[expert] = places->price;
    return other;
  }

  // Takes the cheapest place of an expert. Returns who had it.
  int32_t Take(size_t expert, const Bid& bid) {
    Bid* const places = PlacesOf(expert);
    std::pop_heap(places, places + room_, Dearer);
    const int32_t evicted = std::exchange(places[room_ - 1], bid).bidder;
    std::push_heap(places, places + room_, Dearer);
    prices_[expert] = places->price;
    // A filler that bids itself is noted already.
    if (evicted != kNobody && evicted == fillers_[expert]) fillers_[expert] = kNobody;
    return evicted;
  }

  size_t num_tokens_;
  size_t num_experts_;
  size_t room_;                 // places of an expert
  std::vector<double> values_;  // [num_tokens, num_experts]
  double range_ = 0;            // of these
  std::vector<Bid> places_;  // [num_experts, room], of each expert a heap with the cheapest on top
  std::vector<double> prices_;       // [num_experts] of the cheapest
  std::vector<int32_t> fillers_;     // [num_experts] the filler there
  std::vector<double> filler_bids_;  // [num_experts] and its bid
};

class BaseRouter : public Router {
 public:
  explicit BaseRouter(const RouterOptions& options) : options_(options) {}
  int64_t gate_rows() const override { return options_.num_experts; }

  void Route(Exec& exec, const RouterInput& input, RouterOutput& out) const override {
    out.Reset(input, options_.num_experts);
    out.logits = input.logits;
    out.scores = Sigmoid(exec, input.logits);
    if (!exec.ok()) return;
    const bool finite = std::all_of(input.logits.data, input.logits.data + input.logits.size(),
                                    [](float logit) { return std::isfinite(logit); });
    if (exec.tape() == nullptr || !finite) {  // of what is not finite, the step says so later
      ChooseTop(input.logits, 1, out);
    } else {
      const std::vector<Segment> sequences = Sequences(input, out.num_tokens);
      out.routed.resize(static_cast<size_t>(out.num_tokens));
      exec.pool().ParallelFor(static_cast<int64_t>(sequences.size()), [&](int64_t i) {
        const Segment& s = sequences[static_cast<size_t>(i)];
        const auto experts = AssignEvenly({input.logits.Row(s.begin), s.count, input.logits.cols});
        for (int64_t k = 0; k < s.count; ++k) {
          out.routed[static_cast<size_t>(s.begin + k)] = {static_cast<int32_t>(s.begin + k),
                                                          experts[static_cast<size_t>(k)], 0};
        }
      });
    }
    SetWeights(exec, TakeChoices(exec, out.scores, out.routed), out);
  }

 private:
  RouterOptions options_;
};

}  // namespace

std::vector<int32_t> AssignEvenly(const Matrix& values) {
  if (values.rows == 0 || values.cols == 1) {
    return std::vector<int32_t>(static_cast<size_t>(values.rows), 0);
  }
  return Auction(values).Run();
}

Result<std::unique_ptr<const Router>> MakeBaseRouter(const RouterOptions& options, int64_t) {
  MOIETY_RETURN_IF_ERROR(CheckTopK("base", options));
  if (options.top_k != 1) {
    return InvalidArgument(Format(
        "router base: top_k must be 1, found {}: a token goes to one expert", options.top_k));
  }
  return std::unique_ptr<const Router>(std::make_unique<BaseRouter>(options));
}

}  // namespace moiety
