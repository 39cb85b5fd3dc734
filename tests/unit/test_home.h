// State folders that last as long as a test, with the identities of test_keys.h, and peers that
// answer on a real socket as the test tells them. Their times are real ones: what is under test
// asks the clock.
#pragma once

#include <catch2/catch.hpp>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "net/loop.h"
#include "node/home.h"
#include "test_keys.h"

namespace p2pchat {

// Long enough for a busy machine; a test that waits for it has failed.
inline constexpr std::chrono::seconds kPatience{60};

enum class Who { alice, bob };

const RsaPrivateKey& identity_of(Who who);
const RsaPrivateKey& encryption_of(Who who);
std::string id_of(Who who);  // IK

// Of that person, with the encryption key of test_keys.h, in force now. Made once: no two
// signatures are alike.
const KeyStatement& current_statement(Who who);

// A private folder with nothing in it, or with what `keygen` leaves.
class TestHome {
 public:
  TestHome();
  explicit TestHome(Who who);
  ~TestHome();
  TestHome(const TestHome&) = delete;
  TestHome& operator=(const TestHome&) = delete;

  const Home& home() const { return home_; }
  // A path in the folder.
  std::string operator/(const std::string& name) const { return home_.folder() + "/" + name; }
  Database state() const { return home_.open_state(Durability::normal); }

  // encryption-SEQ.pem as another run would have left it.
  void add_encryption_key(const KeyStatement& statement, const RsaPrivateKey& key) const;
  // The other person under a name, with current_statement(); known by that name already, at that
  // address from now on.
  void trust(Who other, const std::string& name, const std::string& address) const;

 private:
  Home home_;
};

// What `work` asks of the database, each statement as SQL.
std::vector<std::string> asked_by(Database& database, const std::function<void()>& work);

void write_file(const std::string& path, std::string_view content, unsigned mode = 0600);
std::string read_file(const std::string& path);
unsigned mode_of(const std::string& path);

// The Error that `work` ends with; the test fails when there is none.
template <typename Work>
Error error_from(const Work& work) {
  try {
    work();
  } catch (const Error& error) {
    return error;
  }
  FAIL("no error was thrown");
  return {Status::ok, ""};
}

// Runs a loop on a thread of its own and answers each frame as told: nothing closes the
// connection. Ends with the object.
class ScriptedPeer {
 public:
  using Script = std::function<std::optional<std::string>(const Incoming& request)>;

  explicit ScriptedPeer(Script script);
  ~ScriptedPeer();
  ScriptedPeer(const ScriptedPeer&) = delete;
  ScriptedPeer& operator=(const ScriptedPeer&) = delete;

  // "127.0.0.1:PORT"
  const std::string& address() const { return address_; }
  // The frames that came, after end().
  const std::vector<std::string>& requests() const { return requests_; }
  void end();

 private:
  Loop loop_;
  std::string address_;
  std::vector<std::string> requests_;
  std::thread thread_;
};

// What a peer who is Bob makes of a sealed request of Alice's: the ack with that status.
std::string ack_of_bob(std::string_view frame, AckStatus status, const std::string& body = {},
                       unsigned rc = 0, const std::string& keys = {});

// "127.0.0.1:PORT" where nobody listens.
std::string closed_address();

// Hosts of which the resolver says that they do not exist, or that it cannot tell now, whatever
// network the tests have.
inline constexpr const char* kNoSuchHost = "nosuch.test";
inline constexpr const char* kResolverIsDown = "resolver-is-down.test";

// Descriptor 1 is a file, until the end.
class CapturedStdout {
 public:
  // Another descriptor may take the place of the file.
  explicit CapturedStdout(int descriptor = -1);
  ~CapturedStdout() { end(); }
  CapturedStdout(const CapturedStdout&) = delete;
  CapturedStdout& operator=(const CapturedStdout&) = delete;

  // Gives the descriptor back; a failed check before that is not seen.
  void end();
  // What was written to the file.
  std::string text() const;

 private:
  Fd file_;
  Fd original_;
};

}  // namespace p2pchat
