#include "base/parallel.h"

#include <gtest/gtest.h>
#include <sched.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <numeric>
#include <thread>
#include <vector>

namespace moiety {
namespace {

TEST(ThreadPool, RunsEveryTaskExactlyOnce) {
  for (const int threads : {1, 2, 3, 5, 8}) {
    ThreadPool pool(threads);
    EXPECT_EQ(pool.num_threads(), threads);
    for (const int64_t tasks : {0, 1, 2, 7, 1000, 100000}) {
      // Plain ints: a task that ran twice at once would be a race for the thread sanitizer too.
      std::vector<int> runs(static_cast<size_t>(tasks), 0);
      pool.ParallelFor(tasks, [&](int64_t i) { ++runs[static_cast<size_t>(i)]; });
      for (size_t i = 0; i < runs.size(); ++i) {
        ASSERT_EQ(runs[i], 1) << "task " << i << " of " << tasks << ", threads " << threads;
      }
    }
  }
}

// Loops of changing length right after another, each checked: a thread that comes late from one
// loop meets the next at every moment of its start.
TEST(ThreadPool, ManyTinyLoopsInARow) {
  for (const int threads : {2, 4, 8}) {
    ThreadPool pool(threads);
    std::vector<int64_t> last(64, -1);
    for (int64_t loop = 0; loop < 100000 / threads; ++loop) {
      const auto tasks = static_cast<size_t>(1 + loop * 7 % 64);
      pool.ParallelFor(static_cast<int64_t>(tasks),
                       [&](int64_t i) { last[static_cast<size_t>(i)] += loop + 1; });
      for (size_t i = 0; i < tasks; ++i) {
        ASSERT_EQ(last[i], loop) << "task " << i << " of loop " << loop << ", threads " << threads;
        last[i] = -1;
      }
    }
  }
}

// Every loop has its own function object in the same place of the stack: one run with the context
// of another loop writes to the wrong vector.
TEST(ThreadPool, LoopsDoNotMixTheirFunctions) {
  ThreadPool pool(4);
  std::vector<int> a(64);
  std::vector<int> b(64);
  for (int loop = 0; loop < 20000; ++loop) {
    pool.ParallelFor(2 + loop % 3, [&a](int64_t i) { ++a[static_cast<size_t>(i)]; });
    pool.ParallelFor(64, [&b, loop](int64_t i) { b[static_cast<size_t>(i)] += loop; });
    ASSERT_EQ(std::accumulate(a.begin(), a.end(), 0), 2 + loop % 3);
    ASSERT_EQ(std::accumulate(b.begin(), b.end(), 0), 64 * loop);
    std::fill(a.begin(), a.end(), 0);
    std::fill(b.begin(), b.end(), 0);
  }
}

TEST(ThreadPool, NestedLoopsRunOnTheThreadOfTheirTask) {
  ThreadPool pool(4);
  std::vector<int> runs(20 * 30, 0);
  pool.ParallelFor(20, [&](int64_t i) {
    const std::thread::id thread = std::this_thread::get_id();
    pool.ParallelFor(30, [&](int64_t k) {
      EXPECT_EQ(std::this_thread::get_id(), thread);
      ++runs[static_cast<size_t>(i * 30 + k)];
    });
  });
  for (const int count : runs) ASSERT_EQ(count, 1);
}

TEST(ThreadPool, WritesOfTasksAreSeenAfterTheLoop) {
  ThreadPool pool(3);
  std::vector<int64_t> values(1000);
  for (int64_t loop = 0; loop < 2000; ++loop) {
    pool.ParallelFor(1000, [&](int64_t i) { values[static_cast<size_t>(i)] = i * loop; });
    ASSERT_EQ(std::accumulate(values.begin(), values.end(), int64_t{0}), 999 * 1000 / 2 * loop);
  }
}

// All threads take part: tasks that wait for each other end only if they run at the same time.
TEST(ThreadPool, TasksRunTogether) {
  constexpr int kThreads = 4;
  ThreadPool pool(kThreads);
  for (int loop = 0; loop < 20; ++loop) {
    std::atomic<int> arrived{0};
    pool.ParallelFor(kThreads, [&](int64_t) {
      arrived.fetch_add(1);
      while (arrived.load() < kThreads) std::this_thread::yield();
    });
    EXPECT_EQ(arrived.load(), kThreads);
  }
}

TEST(ThreadPool, WakesThreadsThatSleep) {
  ThreadPool pool(3);
  for (int loop = 0; loop < 10; ++loop) {
    // Far longer than an idle thread spins.
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    std::atomic<int> arrived{0};
    pool.ParallelFor(3, [&](int64_t) {
      arrived.fetch_add(1);
      while (arrived.load() < 3) std::this_thread::yield();
    });
  }
}

TEST(ThreadPool, RunsWithFarMoreThreadsThanProcessors) {
  ThreadPool pool(4 * UsableCpus() + 9);
  std::atomic<int64_t> sum{0};
  for (int loop = 0; loop < 200; ++loop) {
    pool.ParallelFor(100, [&](int64_t i) { sum.fetch_add(i, std::memory_order_relaxed); });
  }
  EXPECT_EQ(sum.load(), int64_t{200} * 99 * 100 / 2);
}

TEST(ThreadPool, TwoPoolsDoNotDisturbEachOther) {
  std::vector<std::thread> drivers;
  std::atomic<int64_t> sum{0};
  for (int d = 0; d < 2; ++d) {
    drivers.emplace_back([&] {
      ThreadPool pool(2);
      for (int loop = 0; loop < 500; ++loop) {
        pool.ParallelFor(10, [&](int64_t) { sum.fetch_add(1, std::memory_order_relaxed); });
      }
    });
  }
  for (std::thread& driver : drivers) driver.join();
  EXPECT_EQ(sum.load(), 2 * 500 * 10);
}

TEST(ThreadPool, StartsAndStopsQuickly) {
  for (int i = 0; i < 200; ++i) {
    const ThreadPool unused(3);
    ThreadPool used(3);
    used.ParallelFor(2, [](int64_t) {});
  }
}

// Two threads that need each other, one of which then sleeps: the other waits.
TEST(ParallelForJobs, RunsEveryTaskOfEveryJobOnce) {
  for (const int threads : {1, 3}) {
    ThreadPool pool(threads);
    for (const auto& num_tasks :
         std::vector<std::vector<int64_t>>{{}, {0}, {5}, {0, 3, 0, 0, 1, 200, 0}, {1, 1, 1}}) {
      std::vector<std::vector<std::atomic<int>>> runs;
      for (const int64_t count : num_tasks) runs.emplace_back(static_cast<size_t>(count));
      ParallelForJobs(pool, num_tasks, [&](size_t job, int64_t task) {
        runs.at(job).at(static_cast<size_t>(task)).fetch_add(1);
      });
      for (const auto& job : runs) {
        for (const auto& count : job) EXPECT_EQ(count.load(), 1);
      }
    }
  }
}

TEST(LoopTimes, WaitingAtTheEndOfALoopIsCounted) {
  ThreadPool pool(2);
  pool.StartTiming();
  std::atomic<int> arrived{0};
  pool.ParallelFor(2, [&](int64_t i) {
    arrived.fetch_add(1);
    while (arrived.load() < 2) std::this_thread::yield();
    if (i == 1) std::this_thread::sleep_for(std::chrono::milliseconds(200));
  });
  const LoopTimes times = pool.StopTiming();
  EXPECT_EQ(times.num_loops, 1);
  EXPECT_GE(times.loop_seconds, 0.2);
  EXPECT_GE(times.wait_seconds, 0.05);  // a busy machine may be late to notice, but not that late
  EXPECT_LE(times.wait_seconds, 2 * times.loop_seconds);
}

TEST(LoopTimes, ThreadsWithoutATaskWaitFromStartToEnd) {
  ThreadPool pool(3);
  pool.StartTiming();
  pool.ParallelFor(1, [](int64_t) { std::this_thread::sleep_for(std::chrono::milliseconds(5)); });
  const LoopTimes times = pool.StopTiming();
  EXPECT_EQ(times.num_loops, 1);
  EXPECT_GE(times.loop_seconds, 0.005);
  EXPECT_DOUBLE_EQ(times.wait_seconds, 2 * times.loop_seconds);
}

// One task may run a loop of its own with all threads: nobody waits during that.
TEST(LoopTimes, LoopsInsideALoopOfOneTask) {
  ThreadPool pool(2);
  const auto start = std::chrono::steady_clock::now();
  pool.StartTiming();
  pool.ParallelFor(1, [&](int64_t) {
    std::atomic<int> arrived{0};
    pool.ParallelFor(2, [&](int64_t) {
      arrived.fetch_add(1);
      while (arrived.load() < 2) std::this_thread::yield();
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
    });
  });
  const LoopTimes times = pool.StopTiming();
  const double elapsed =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  EXPECT_EQ(times.num_loops, 2);
  EXPECT_GE(times.loop_seconds, 0.05);
  EXPECT_LE(times.loop_seconds, elapsed) << "no time is counted twice";
  EXPECT_LE(times.wait_seconds, 2 * elapsed);
}

TEST(LoopTimes, CountLoopsOfTheDrivingThreadBetweenStartAndStop) {
  for (const int threads : {1, 2, 4}) {
    ThreadPool pool(threads);
    const auto loop = [&] {
      pool.ParallelFor(8, [&](int64_t) { pool.ParallelFor(3, [](int64_t) {}); });
    };
    loop();
    pool.StartTiming();
    for (int i = 0; i < 500; ++i) loop();
    pool.ParallelFor(0, [](int64_t) {});
    const LoopTimes times = pool.StopTiming();
    loop();
    EXPECT_EQ(times.num_loops, threads == 1 ? 500 * 9 : 500);
    EXPECT_GE(times.wait_seconds, 0);
    EXPECT_LE(times.wait_seconds, threads * times.loop_seconds);
    if (threads == 1) {
      EXPECT_EQ(times.wait_seconds, 0);
    }
    pool.StartTiming();
    EXPECT_EQ(pool.StopTiming().num_loops, 0) << "each start begins anew";
  }
}

TEST(UsableCpus, RespectsTheAffinityMask) {
  cpu_set_t before;
  ASSERT_EQ(sched_getaffinity(0, sizeof(before), &before), 0);
  EXPECT_GE(UsableCpus(), 1);
  EXPECT_LE(UsableCpus(), CPU_COUNT(&before));
  cpu_set_t one;
  CPU_ZERO(&one);
  for (size_t cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (CPU_ISSET(cpu, &before)) {
      CPU_SET(cpu, &one);
      break;
    }
  }
  ASSERT_EQ(sched_setaffinity(0, sizeof(one), &one), 0);
  EXPECT_EQ(UsableCpus(), 1);
  ASSERT_EQ(sched_setaffinity(0, sizeof(before), &before), 0);
}

}  // namespace
}  // namespace moiety
