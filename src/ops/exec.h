// Exec: where a model's recipe runs. A recipe (models/) is written once as a chain of operations
// (ops/, moe/); the Exec decides what happens beside computing: nothing (inference: memory comes
// from the arena of the step and is reused), or recording for the way back (training).
//
// Errors are sticky: the first failure is kept, every later operation returns an empty Matrix and
// does nothing, and the caller looks at status() once at the end. So recipes read as formulas.
#ifndef MOIETY_OPS_EXEC_H_
#define MOIETY_OPS_EXEC_H_

#include <cstdint>
#include <utility>

#include "base/arena.h"
#include "base/context.h"
#include "moiety/status.h"
#include "tensor/matrix.h"

namespace moiety {

class Observer;  // ops/observer.h

class Exec {
 public:
  // `observer` may be null. All must outlive the Exec.
  Exec(Context& context, Arena& arena, Observer* observer)
      : context_(context), arena_(arena), observer_(observer) {}

  ThreadPool& pool() { return context_.pool; }
  const KernelTable& kernels() const { return context_.kernels; }
  ComputeType compute() const { return context_.compute; }
  Observer* observer() const { return observer_; }

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
    return data == nullptr ? Matrix{} : Matrix{data, rows, cols};
  }

  // Memory taken inside a scope is reused after it.
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

 private:
  Context& context_;
  Arena& arena_;
  Observer* observer_;
  Status status_;
};

}  // namespace moiety

#endif  // MOIETY_OPS_EXEC_H_
