#include "node/outcome.h"

#include <catch2/catch.hpp>

#include "base/clock.h"
#include "node/identity.h"
#include "test_home.h"

namespace p2pchat {

namespace {

const Correspondent kBob{"bob", std::string(43, 'B'), "bob.example:4040", "bob.example:4040",
                         std::string(43, 'A')};

struct AckRow {
  AckStatus st;
  unsigned rc;
  MessageState state;
  Status status;
};

struct OtherRow {
  ReplyRow row;
  MessageState state;
  Status status;
};

Reply reply_with(AckStatus st, std::uint64_t iat = 0) {
  Reply reply;
  reply.row = ReplyRow::ack;
  reply.ack.emplace();
  reply.ack->status = st;
  reply.ack->iat = iat;
  return reply;
}

Reply reply_of(ReplyRow row) {
  Reply reply;
  reply.row = row;
  reply.identity_id = std::string(43, 'C');
  reply.why = "the reason";
  return reply;
}

}  // namespace

TEST_CASE("outcome: how a handler has failed is said in words") {
  const auto [rc, words] = GENERATE(table<unsigned, std::string>({
      {1, "failed with status 1"},
      {123, "failed with status 123"},
      {124, "ran out of time"},
      {125, "wrote too much"},
      {126, "failed with status 126"},
      {127, "could not be run"},
      {128, "failed with status 128"},
      {129, "was ended by signal 1"},
      {137, "was ended by signal 9"},
      {192, "was ended by signal 64"},
      {193, "failed with status 193"},
      {254, "failed with status 254"},
      {255, "was interrupted"},
  }));
  CHECK(handler_failure(rc) == words);
}

TEST_CASE("outcome: every ack leads to its state and its status") {
  const AckRow row = GENERATE(AckRow{AckStatus::ok, 0, MessageState::acked, Status::ok},
                              AckRow{AckStatus::ok, 1, MessageState::acked, Status::handler},
                              AckRow{AckStatus::ok, 255, MessageState::acked, Status::handler},
                              AckRow{AckStatus::dup, 0, MessageState::acked, Status::ok},
                              AckRow{AckStatus::dup, 7, MessageState::acked, Status::handler},
                              AckRow{AckStatus::busy, 0, MessageState::untaken, Status::try_later},
                              AckRow{AckStatus::skew, 0, MessageState::untaken, Status::try_later},
                              AckRow{AckStatus::pending, 0, MessageState::untaken, Status::trust},
                              AckRow{AckStatus::conflict, 0, MessageState::failed, Status::data});
  Ack ack;
  ack.status = row.st;
  ack.rc = row.rc;
  const Outcome outcome = outcome_of(ack);
  CHECK(outcome.state == row.state);
  CHECK(outcome.status == row.status);
}

TEST_CASE("outcome: every other reply leaves the message unknown and has its status") {
  const OtherRow row =
      GENERATE(OtherRow{ReplyRow::not_known, MessageState::unknown, Status::trust},
               OtherRow{ReplyRow::other_key, MessageState::unknown, Status::trust},
               OtherRow{ReplyRow::weak_key, MessageState::unknown, Status::trust},
               OtherRow{ReplyRow::does_not_verify, MessageState::unknown, Status::data},
               OtherRow{ReplyRow::not_protocol, MessageState::unknown, Status::protocol});
  CHECK(outcome_of(row.row).state == row.state);
  CHECK(outcome_of(row.row).status == row.status);
  const Error error = error_of(reply_of(row.row), kBob);
  CHECK(error.status() == row.status);
  CHECK_THAT(error.what(), Catch::Contains("'bob'"));
}

TEST_CASE("outcome: the error of an ack has the status of its outcome") {
  const AckStatus st =
      GENERATE(AckStatus::busy, AckStatus::skew, AckStatus::pending, AckStatus::conflict);
  const Reply reply = reply_with(st);
  const Error error = error_of(reply, kBob);
  CHECK(error.status() == outcome_of(*reply.ack).status);
  CHECK_THAT(error.what(), Catch::Contains("'bob'"));
}

TEST_CASE("outcome: who is not known there is told to register") {
  CHECK(error_of(reply_of(ReplyRow::not_known), kBob).hint() == "p2pchat register bob");
}

TEST_CASE("outcome: a changed key shows both fingerprints and the one command that accepts it") {
  const Error error = error_of(reply_of(ReplyRow::other_key), kBob);
  CHECK_THAT(error.what(), Catch::Contains(fingerprint(kBob.identity_id)));
  CHECK_THAT(error.what(), Catch::Contains(fingerprint(std::string(43, 'C'))));
  CHECK_THAT(error.hint(), Catch::Contains("p2pchat register bob bob.example:4040 --replace "
                                           "--expect " +
                                           fingerprint(std::string(43, 'C'))));
}

TEST_CASE("outcome: a pending sender is told what the other side has to type") {
  CHECK_THAT(error_of(reply_with(AckStatus::pending), kBob).hint(),
             Catch::Contains("p2pchat peers accept " + fingerprint(kBob.own_id)));
}

TEST_CASE("outcome: skew tells how far the other clock is and in which direction") {
  const std::uint64_t now = unix_now();
  CHECK_THAT(error_of(reply_with(AckStatus::skew, now + 1'000'000), kBob).what(),
             Catch::Contains("s ahead of ours"));
  CHECK_THAT(error_of(reply_with(AckStatus::skew, now - 1'000'000), kBob).what(),
             Catch::Contains("s behind ours"));
}

TEST_CASE("outcome: an answer that does not verify and a weak key say why") {
  const ReplyRow row = GENERATE(ReplyRow::does_not_verify, ReplyRow::weak_key);
  CHECK_THAT(error_of(reply_of(row), kBob).what(), Catch::Contains("the reason"));
}

TEST_CASE("outcome: what does not speak the protocol is named with its address") {
  CHECK_THAT(error_of(reply_of(ReplyRow::not_protocol), kBob).what(),
             Catch::Contains("bob.example:4040"));
}

}  // namespace p2pchat
