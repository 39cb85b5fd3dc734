// A listener inside the test's process.
#pragma once

#include <pthread.h>

#include <catch2/catch.hpp>
#include <csignal>
#include <future>
#include <thread>

#include "node/listener.h"
#include "test_home.h"

namespace p2pchat {

// listen() on a thread of its own.
class Listening {
 public:
  Listening(const Home& home, ListenOptions options)
      : options_(std::move(options)),
        events_{[this](const std::string& address) { began_.set_value(address); },
                [this](const Stranger& stranger) { strangers_.push_back(stranger); },
                [](const std::string&, std::string_view) {}, [](const Received&) {},
                [](const Error&) {}} {
    thread_ = std::thread([this, &home] {
      try {
        end_.set_value(listen(home, Config::load(home), options_, events_));
      } catch (...) {
        end_.set_exception(std::current_exception());
      }
    });
  }
  ~Listening() {
    // It can be stopped from outside once it has its signals.
    const bool began =
        address_.valid() && address_.wait_for(std::chrono::seconds(0)) == std::future_status::ready;
    const bool ended =
        !result_.valid() || result_.wait_for(std::chrono::seconds(0)) == std::future_status::ready;
    if (began && !ended) send_signal(SIGTERM);
    thread_.join();
  }
  Listening(const Listening&) = delete;
  Listening& operator=(const Listening&) = delete;

  // Where it listens; waits until it does.
  std::string address() {
    REQUIRE(address_.wait_for(kPatience) == std::future_status::ready);
    return address_.get();
  }
  bool has_port() {
    return address_.wait_for(std::chrono::seconds(0)) == std::future_status::ready;
  }
  void send_signal(int number) { pthread_kill(thread_.native_handle(), number); }

  // Waits for the end.
  ListenEnd end() {
    REQUIRE(result_.wait_for(kPatience) == std::future_status::ready);
    return result_.get();
  }
  // After the end.
  const std::vector<Stranger>& strangers() const { return strangers_; }

 private:
  ListenOptions options_;
  std::promise<std::string> began_;
  std::promise<ListenEnd> end_;
  std::shared_future<std::string> address_ = began_.get_future().share();
  std::shared_future<ListenEnd> result_ = end_.get_future().share();
  std::vector<Stranger> strangers_;
  ListenEvents events_;
  std::thread thread_;
};

}  // namespace p2pchat
