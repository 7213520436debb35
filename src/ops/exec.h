// Exec: where a model's recipe runs. A recipe (models/) is written once as a chain of operations
// (ops/, moe/); the Exec decides what happens beside computing: nothing (inference: memory comes
// from the arena of the step and is reused), or recording for the way back (training).
//
// Errors are sticky: the first failure is kept, every later operation returns an empty Matrix and
// does nothing, and the caller looks at status() once at the end. So recipes read as formulas.
#ifndef MOIETY_OPS_EXEC_H_
#define MOIETY_OPS_EXEC_H_

#include <algorithm>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>

#include "base/arena.h"
#include "base/context.h"
#include "moiety/status.h"
#include "ops/tape.h"
#include "tensor/matrix.h"

namespace moiety {

class Observer;   // ops/observer.h
class RouteEdit;  // routing/route_edit.h

class Exec {
 public:
  // `observer` and `tape` may be null; with a tape, operations record. All must outlive the Exec,
  // and the Exec the way back: steps run on it.
  Exec(Context& context, Arena& arena, Observer* observer, Tape* tape = nullptr)
      : context_(context), arena_(arena), observer_(observer), tape_(tape) {}

  ThreadPool& pool() { return context_.pool; }
  const KernelTable& kernels() const { return context_.kernels; }
  ComputeType compute() const { return context_.compute; }
  Observer* observer() const { return observer_; }
  Tape* tape() const { return tape_; }

  // What MoE layers apply, in this order, to the choices of their routers; none to begin with. Only
  // without a tape. They must outlive the Exec.
  std::span<RouteEdit* const> route_edits() const { return route_edits_; }
  void set_route_edits(std::span<RouteEdit* const> edits) { route_edits_ = edits; }

  bool ok() const { return status_.ok(); }
  const Status& status() const { return status_; }
  void Fail(Status status) {
    if (status_.ok()) status_ = std::move(status);
  }

  // Uninitialised memory for `count` values of T, valid until the enclosing Scope ends. Null once
  // something failed.
  template <class T>
  T* Allocate(int64_t count) {
    if (!ok()) return nullptr;
    Result<std::byte*> memory = arena_.Allocate(static_cast<size_t>(count) * sizeof(T));
    if (!memory.ok()) {
      Fail(std::move(memory).status());
      return nullptr;
    }
    return reinterpret_cast<T*>(*memory);
  }
  Matrix NewMatrix(int64_t rows, int64_t cols) {
    float* data = Allocate<float>(rows * cols);
    if (data == nullptr) return {};
    if (tape_ != nullptr) tape_->AddValue({data, rows, cols});
    return {data, rows, cols};
  }
  // Where the result of an operation that consumes x is to grow: x itself, or a copy if the way
  // back will read x.
  Matrix Consume(const Matrix& x) {
    if (tape_ == nullptr || !ok()) return x;
    const Matrix y = NewMatrix(x.rows, x.cols);
    if (ok()) std::copy_n(x.data, x.size(), y.data);
    return y;
  }

  // With a tape: step(dy, dx) will add to the gradient dx of x what follows from the gradient dy of
  // y, which x was made into and whose memory is then free.
  template <class Step>
  void Record(const Matrix& x, const Matrix& y, Step step) {
    if (tape_ == nullptr || !ok()) return;
    tape_->Record([tape = tape_, x, y, step = std::move(step)] {
      const Matrix dy = tape->ReceivedGradient(y);
      if (dy.data == nullptr) return;
      const Matrix dx = tape->Gradient(x);
      if (dx.data != nullptr) step(dy, dx);
      tape->Release(y);
    });
  }

  // Memory taken inside a scope is reused after it: what an operation needs while it runs.
  class Scope {
   public:
    explicit Scope(Exec& exec) : exec_(exec), mark_(exec.arena_.mark()) {}
    ~Scope() { exec_.arena_.Release(mark_); }
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;

   private:
    Exec& exec_;
    Arena::Mark mark_;
  };

  // The same for the values of a part of the forward pass: a tape keeps them.
  class ValueScope {
   public:
    explicit ValueScope(Exec& exec) {
      if (exec.tape_ == nullptr) scope_.emplace(exec);
    }

   private:
    std::optional<Scope> scope_;
  };

 private:
  Context& context_;
  Arena& arena_;
  Observer* observer_;
  Tape* tape_;
  std::span<RouteEdit* const> route_edits_;
  Status status_;
};

}  // namespace moiety

#endif  // MOIETY_OPS_EXEC_H_
