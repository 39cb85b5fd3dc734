// Sends requests that were sealed before, each on a connection of its own, and times the answers:
// load that costs next to nothing beside what it asks for. For scripts/bench alone.
//
// usage: replay PORT IN_FLIGHT RATE FIRST COUNT FILE
// Of the requests in FILE, each ended by a NUL, sends COUNT from number FIRST on. RATE 0: IN_FLIGHT
// of them are under way at any moment. Else: RATE a second, at random moments, as many users would
// send them, and a request that has to wait for its turn (there are IN_FLIGHT at most) waits on its
// own time.
// Prints how many were answered with an ack and the seconds from the first request to the last
// answer, then the microseconds of each. Ends with status 1 when a connection fails.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <map>
#include <random>
#include <string>
#include <string_view>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;

constexpr Clock::duration kPatience = std::chrono::seconds(30);  // with one answer

void require(bool holds, const char* what) {
  if (holds) return;
  std::perror(what);
  std::exit(1);
}

struct Exchange {
  Clock::time_point due;
  std::string reply;
};

class Load {
 public:
  explicit Load(int port) : poll_(epoll_create1(EPOLL_CLOEXEC)) {
    require(poll_ >= 0, "epoll");
    address_.sin_family = AF_INET;
    address_.sin_port = htons(static_cast<std::uint16_t>(port));
    address_.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  }

  std::size_t in_flight() const { return under_way_.size(); }
  std::size_t acks() const { return acks_; }
  const std::vector<double>& microseconds() const { return microseconds_; }

  // On this machine a connection is made at once, and a request fits into its buffer.
  void send(std::string_view frame, Clock::time_point due) {
    const int line = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const int on = 1;
    require(line >= 0 &&
                connect(line, reinterpret_cast<const sockaddr*>(&address_), sizeof address_) == 0 &&
                setsockopt(line, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) == 0,
            "connect");
    require(write(line, frame.data(), frame.size()) == static_cast<ssize_t>(frame.size()), "write");
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.fd = line;
    require(epoll_ctl(poll_, EPOLL_CTL_ADD, line, &event) == 0, "epoll");
    under_way_[line].due = due;
  }

  // Takes what has come, or waits for something until then.
  void receive(Clock::duration patience) {
    epoll_event events[64];
    const auto wait =
        std::chrono::duration_cast<std::chrono::nanoseconds>(std::max(patience, {})).count();
    const timespec limit{wait / 1'000'000'000, wait % 1'000'000'000};
    const int count = epoll_pwait2(poll_, events, std::size(events), &limit, nullptr);
    require(count > 0 || patience < kPatience, "no answer");
    for (int i = 0; i < count; ++i) take(events[i].data.fd);
  }

 private:
  void take(int line) {
    // As "{"alg":"dir"" in base64url begins, with an encrypted key that is empty.
    constexpr std::string_view kAck = "eyJhbGciOiJkaXIi";
    Exchange& exchange = under_way_[line];
    char piece[65536];
    const ssize_t count = read(line, piece, sizeof piece);
    require(count > 0, "closed without an answer");
    exchange.reply.append(piece, static_cast<std::size_t>(count));
    if (!exchange.reply.ends_with('\0')) return;
    const std::chrono::duration<double, std::micro> took = Clock::now() - exchange.due;
    microseconds_.push_back(took.count());
    if (exchange.reply.starts_with(kAck) && exchange.reply.find("..") != std::string::npos) ++acks_;
    close(line);
    under_way_.erase(line);
  }

  int poll_;
  sockaddr_in address_{};
  std::map<int, Exchange> under_way_;
  std::size_t acks_ = 0;
  std::vector<double> microseconds_;
};

// COUNT requests from FIRST on, each with its NUL; fewer when there are not so many.
std::vector<std::string_view> chosen(std::string_view all, std::size_t first, std::size_t count) {
  std::vector<std::string_view> frames;
  for (std::size_t number = 0; number < first + count && !all.empty(); ++number) {
    const std::size_t size = all.find('\0') + 1;
    if (number >= first) frames.push_back(all.substr(0, size));
    all.remove_prefix(size);
  }
  return frames;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 7) {
    std::fputs("usage: replay PORT IN_FLIGHT RATE FIRST COUNT FILE\n", stderr);
    return 64;
  }
  const std::size_t most = std::strtoul(argv[2], nullptr, 10);
  const double rate = std::strtod(argv[3], nullptr);
  std::ifstream file(argv[6], std::ios::binary);
  const std::string all{std::istreambuf_iterator<char>(file), {}};
  const auto frames =
      chosen(all, std::strtoul(argv[4], nullptr, 10), std::strtoul(argv[5], nullptr, 10));

  std::mt19937_64 random(1);
  std::exponential_distribution<double> interval(rate > 0 ? rate : 1);
  Load load(std::atoi(argv[1]));
  const auto begin = Clock::now();
  auto due = begin;
  for (std::size_t next = 0; next < frames.size() || load.in_flight() > 0;) {
    const auto now = Clock::now();
    const bool has_room = next < frames.size() && load.in_flight() < most;
    if (has_room && (rate == 0 || due <= now)) {
      load.send(frames[next++], rate == 0 ? now : due);
      due += std::chrono::duration_cast<Clock::duration>(
          std::chrono::duration<double>(interval(random)));
    } else {
      const bool waits_for_time = has_room && rate > 0;
      load.receive(waits_for_time ? due - now : kPatience);
    }
  }
  const std::chrono::duration<double> took = Clock::now() - begin;
  std::printf("%zu %.6f\n", load.acks(), took.count());
  for (const double one : load.microseconds()) std::printf("%.1f\n", one);
  return 0;
}
