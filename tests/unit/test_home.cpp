#include "test_home.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sqlite3.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <stdexcept>

#include "base/clock.h"
#include "protocol/claims.h"
#include "store/peers.h"

// In the place of the one in the C library, which it asks for all other hosts.
extern "C" int getaddrinfo(const char* host, const char* service, const addrinfo* wanted,
                           addrinfo** found) {
  const std::string_view name = host == nullptr ? "" : host;
  if (name == p2pchat::kNoSuchHost) return EAI_NONAME;
  if (name == p2pchat::kResolverIsDown) return EAI_AGAIN;
  static const auto real =
      reinterpret_cast<decltype(&getaddrinfo)>(dlsym(RTLD_NEXT, "getaddrinfo"));
  return real(host, service, wanted, found);
}

namespace p2pchat {

namespace {

std::string made_folder() {
  std::string name = std::filesystem::temp_directory_path() / "p2pchat-unit-XXXXXX";
  if (mkdtemp(name.data()) == nullptr) throw std::runtime_error("mkdtemp");
  return name;
}

// Some time ago, so that a statement which is said "now" is never of the same second.
std::uint64_t start_time() {
  static const std::uint64_t time = unix_now() - 3600;
  return time;
}

}  // namespace

const RsaPrivateKey& identity_of(Who who) {
  return who == Who::alice ? alice_identity() : bob_identity();
}

const RsaPrivateKey& encryption_of(Who who) {
  return who == Who::alice ? alice_encryption() : bob_encryption();
}

std::string id_of(Who who) {
  return who == Who::alice ? alice_statement().identity_id : bob_statement().identity_id;
}

const KeyStatement& current_statement(Who who) {
  const auto made = [](Who whose) {
    return make_key_statement(identity_of(whose), encryption_of(whose).public_key(), start_time(),
                              start_time(), start_time() + 14 * kSecondsPerDay);
  };
  static const KeyStatement alice = made(Who::alice);
  static const KeyStatement bob = made(Who::bob);
  return who == Who::alice ? alice : bob;
}

TestHome::TestHome() : home_(made_folder()) {}

TestHome::TestHome(Who who) : TestHome() {
  write_file(home_.identity_file(), identity_of(who).pem().view());
  add_encryption_key(current_statement(who), encryption_of(who));
}

TestHome::~TestHome() {
  std::filesystem::remove_all(home_.folder());
}

void TestHome::add_encryption_key(const KeyStatement& statement, const RsaPrivateKey& key) const {
  const std::string content =
      "p2pchat-key-statement: " + statement.token + "\n" + std::string(key.pem().view());
  write_file(home_.encryption_file(statement.seq), content);
}

void TestHome::trust(Who other, const std::string& name, const std::string& address) const {
  Database database = state();
  if (auto known = Peers(database).by_name(name)) {
    known->typed_address = address;
    Peers(database).update(*known);
    return;
  }
  PeerRow row;
  row.identity = id_of(other);
  row.name = name;
  row.status = PeerStatus::trusted;
  row.statement = current_statement(other).token;
  row.typed_address = address;
  Peers(database).insert(row);
}

std::vector<std::string> asked_by(Database& database, const std::function<void()>& work) {
  std::vector<std::string> asked;
  sqlite3* handle = database.sqlite().getHandle();
  const auto note = [](unsigned, void* to, void* statement, void*) {
    static_cast<std::vector<std::string>*>(to)->emplace_back(
        sqlite3_sql(static_cast<sqlite3_stmt*>(statement)));
    return 0;
  };
  sqlite3_trace_v2(handle, SQLITE_TRACE_STMT, note, &asked);
  work();
  sqlite3_trace_v2(handle, 0, nullptr, nullptr);
  return asked;
}

void write_file(const std::string& path, std::string_view content, unsigned mode) {
  std::ofstream(path, std::ios::binary) << content;
  REQUIRE(chmod(path.c_str(), mode) == 0);
}

std::string read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  REQUIRE(file.is_open());
  return {std::istreambuf_iterator<char>(file), {}};
}

unsigned mode_of(const std::string& path) {
  struct stat info {};
  REQUIRE(lstat(path.c_str(), &info) == 0);
  return info.st_mode & 07777U;
}

ScriptedPeer::ScriptedPeer(Script script)
    : loop_(LoopLimits{}), address_(loop_.listen("127.0.0.1", 0)) {
  loop_.on_large_frame([](std::string_view) { return true; });
  loop_.on_frame([this, script = std::move(script)](Incoming request) {
    requests_.push_back(request.frame);
    loop_.reply(request.connection, script(request));
  });
  thread_ = std::thread([this] { loop_.run(); });
}

ScriptedPeer::~ScriptedPeer() {
  end();
}

void ScriptedPeer::end() {
  if (!thread_.joinable()) return;
  loop_.stop();
  thread_.join();
}

std::string ack_of_bob(std::string_view frame, AckStatus status, const std::string& body,
                       unsigned rc, const std::string& keys) {
  const Result<Request> request = open_as_bob(frame);
  if (!request) return "not a request of alice: " + request.why();
  Ack ack;
  ack.status = status;
  ack.iat = unix_now();
  ack.body = body;
  ack.rc = rc;
  ack.keys = keys;
  return seal_ack(ack, *request);
}

std::string closed_address() {
  // Bound and not listening, so that nobody else is given the port while we use it.
  static const Fd bound = [] {
    Fd made(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    REQUIRE(bind(made.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
    return made;
  }();
  sockaddr_in address{};
  socklen_t size = sizeof address;
  REQUIRE(getsockname(bound.get(), reinterpret_cast<sockaddr*>(&address), &size) == 0);
  return "127.0.0.1:" + std::to_string(ntohs(address.sin_port));
}

CapturedStdout::CapturedStdout(int descriptor)
    : file_(memfd_create("stdout", MFD_CLOEXEC)),
      original_(fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3)) {
  REQUIRE(file_);
  REQUIRE(original_);
  std::cout.flush();
  REQUIRE(dup2(descriptor < 0 ? file_.get() : descriptor, STDOUT_FILENO) == STDOUT_FILENO);
}

void CapturedStdout::end() {
  if (!original_) return;
  std::cout.flush();
  dup2(original_.get(), STDOUT_FILENO);
  original_.reset();
}

std::string CapturedStdout::text() const {
  std::string text;
  std::array<char, 4096> piece{};
  ssize_t count = 0;
  while ((count = pread(file_.get(), piece.data(), piece.size(), static_cast<off_t>(text.size()))) >
         0) {
    text.append(piece.data(), static_cast<std::size_t>(count));
  }
  return text;
}

}  // namespace p2pchat
