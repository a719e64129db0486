// C++: threads, futures, and exceptions that cross from one to another.
#include <atomic>
#include <condition_variable>
#include <future>
#include <iostream>
#include <mutex>
#include <numeric>
#include <shared_mutex>
#include <stdexcept>
#include <thread>
#include <vector>

static thread_local int own = 1;

int main()
{
	std::vector<std::thread> threads;
	std::atomic<long> count{ 0 };
	std::shared_mutex mutex;
	long sum = 0;
	for (int i = 0; i < 20; i++)
		threads.emplace_back([&, i] {
			for (int j = 0; j < 1000; j++) {
				std::unique_lock guard(mutex);
				sum += i;
				count += own++ == j + 1;
			}
		});
	for (auto &t : threads)
		t.join();
	std::cout << sum << ' ' << count << ' ' << own << '\n';

	std::vector<std::future<int>> futures;
	for (int i = 0; i < 5; i++)
		futures.push_back(std::async(std::launch::async, [i]() -> int {
			if (i == 3)
				throw std::runtime_error("three");
			return i * i;
		}));
	for (auto &f : futures) {
		try {
			std::cout << f.get() << '\n';
		} catch (const std::exception &e) {
			std::cout << "caught " << e.what() << '\n';
		}
	}
	std::call_once(*std::make_unique<std::once_flag>(), [] { std::cout << "once\n"; });
}
