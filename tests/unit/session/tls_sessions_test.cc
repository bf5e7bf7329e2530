// SPDX-License-Identifier: GPL-2.0-or-later
//
// The store of TLS sessions: keys, ages and bounds (security.md rules 3 and 17).
#include "proxy/session/tls_sessions.h"

#include <gtest/gtest.h>

namespace danegate::session {
namespace {

using namespace std::chrono_literals;

const TlsSessionStore::Clock::time_point kStart{1000h};

TlsSessionKey key(const std::string& name = "mx.example.org") {
  return {.peer = {dane::IpAddress::parse("192.0.2.1").value(), 25}, .server_name = name};
}
TlsSessionStore::Held held(const std::string& octets = "session", std::chrono::seconds age = 300s) {
  return {.session = {octets, {"leaf"}}, .proved = kStart, .expires = kStart + age};
}
std::string taken(TlsSessionStore& store, const TlsSessionKey& of, std::chrono::seconds later = 0s) {
  const auto found = store.take(of, kStart + later, [](const auto&) { return true; });
  return found ? found->session.octets() : "";
}

TEST(TlsSessions, EachIsGivenOutOnceTheNewestFirst) {
  TlsSessionStore store;
  store.put(key(), held("one"), kStart);
  store.put(key(), held("two"), kStart);
  EXPECT_EQ(store.statistics().held, 2U);
  EXPECT_EQ(taken(store, key()), "two");
  EXPECT_EQ(taken(store, key()), "one");
  EXPECT_EQ(taken(store, key()), "");
  EXPECT_EQ(store.statistics().stored, 2U);
  EXPECT_EQ(store.statistics().offered, 2U);
}

TEST(TlsSessions, Rule17_UnderAnotherKeyThereIsNothing) {
  TlsSessionStore store;
  store.advance(1);
  TlsSessionKey mine = key();
  mine.generation = 1;
  store.put(mine, held(), kStart);
  TlsSessionKey address = mine;
  address.peer.address = dane::IpAddress::parse("192.0.2.2").value();
  TlsSessionKey port = mine;
  port.peer.port = 465;
  TlsSessionKey name = mine;
  name.server_name = "mx.other.example";
  TlsSessionKey suites = mine;
  suites.suites = tls::SuiteList::Compatible;
  TlsSessionKey generation = mine;
  generation.generation = 2;
  for (const TlsSessionKey& other : {address, port, name, suites, generation}) EXPECT_EQ(taken(store, other), "");
  EXPECT_EQ(taken(store, mine), "session");
}

TEST(TlsSessions, Rule3_NotLongerThanItsTime) {
  TlsSessionStore store;
  store.put(key(), held("session", 300s), kStart);
  EXPECT_EQ(taken(store, key(), 300s), "");
  EXPECT_EQ(store.statistics().held, 0U);
  store.put(key(), held("session", 300s), kStart);
  EXPECT_EQ(taken(store, key(), 299s), "session");
  store.put(key(), held("session", 300s), kStart + 300s);  // expired when it came
  EXPECT_EQ(store.statistics().held, 0U);
}

TEST(TlsSessions, Rule3_WhatDoesNotFitIsForgotten) {
  TlsSessionStore store;
  store.put(key(), held("one"), kStart);
  store.put(key(), held("two"), kStart);
  const auto found =
      store.take(key(), kStart, [](const tls::ResumableSession& session) { return session.octets() == "one"; });
  ASSERT_TRUE(found);
  EXPECT_EQ(found->session.octets(), "one");
  EXPECT_EQ(store.statistics().held, 0U);
}

TEST(TlsSessions, ANewGenerationForgetsAndTakesNoneOfTheOld) {
  TlsSessionStore store;
  store.put(key(), held(), kStart);
  store.advance(1);
  EXPECT_EQ(store.statistics().held, 0U);
  store.put(key(), held(), kStart);  // a connection that began before
  EXPECT_EQ(store.statistics().held, 0U);
}

TEST(TlsSessions, Bounds) {
  TlsSessionStore store;
  for (int i = 0; i < 20; ++i) store.put(key(), held("s" + std::to_string(i)), kStart);
  EXPECT_EQ(store.statistics().held, TlsSessionStore::kMaxPerKey);
  EXPECT_EQ(taken(store, key()), "s19");

  for (std::size_t i = 0; i < 1200; ++i) store.put(key("mx" + std::to_string(i) + ".example"), held(), kStart);
  EXPECT_EQ(store.statistics().held, TlsSessionStore::kMaxSessions);
  EXPECT_EQ(taken(store, key("mx0.example")), "");  // the oldest went
  EXPECT_EQ(taken(store, key("mx1199.example")), "session");

  store.put(key("big.example"), held(std::string(64 * 1024, 'x')), kStart);
  EXPECT_EQ(taken(store, key("big.example")), "");
  for (std::size_t i = 0; i < 1000; ++i) {
    store.put(key("large" + std::to_string(i) + ".example"), held(std::string(30 * 1024, 'x')), kStart);
  }
  EXPECT_LE(store.statistics().held, TlsSessionStore::kMaxOctets / (30 * 1024));
  EXPECT_NE(taken(store, key("large999.example")), "");
}

}  // namespace
}  // namespace danegate::session
