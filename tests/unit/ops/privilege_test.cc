// SPDX-License-Identifier: GPL-2.0-or-later
#include "proxy/ops/privilege.h"

#include <gmock/gmock.h>
#include <grp.h>
#include <gtest/gtest.h>
#include <linux/capability.h>
#include <netinet/in.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <fstream>
#include <functional>
#include <map>
#include <sstream>
#include <string>

namespace danegate::ops {
namespace {

using testing::AllOf;
using testing::HasSubstr;

/// What a child found out about itself.
using Facts = std::map<std::string, std::string>;

/// The change of user cannot be undone, so it happens in a child.
Facts in_child(const std::function<void(Facts&)>& body) {
  std::array<int, 2> ends{};
  if (pipe(ends.data()) != 0) return {{"pipe", "failed"}};
  const pid_t child = fork();
  if (child == 0) {
    Facts facts;
    body(facts);
    std::string text;
    for (const auto& [name, value] : facts) text += name + "=" + value + "\n";
    const bool written = write(ends[1], text.data(), text.size()) == static_cast<ssize_t>(text.size());
    _exit(written ? 0 : 1);
  }
  close(ends[1]);
  std::string text;
  std::array<char, 4096> block{};
  for (ssize_t got = 0; (got = read(ends[0], block.data(), block.size())) > 0;)
    text.append(block.data(), static_cast<std::size_t>(got));
  close(ends[0]);
  int status = 0;
  waitpid(child, &status, 0);
  Facts facts{{"ended", std::to_string(status)}};
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    const auto equals = line.find('=');
    facts[line.substr(0, equals)] = line.substr(equals + 1);
  }
  return facts;
}

std::string error_of(int result) {
  return result >= 0 ? "done" : strerrorname_np(errno);
}

/// proc(5), /proc/PID/status: fields that tell who a process is; white space squeezed.
void tell_identity(Facts& facts) {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    std::istringstream words(line);
    std::string name;
    words >> name;
    std::string value;
    for (std::string word; words >> word;) value += (value.empty() ? "" : " ") + word;
    for (const char* wanted :
         {"Uid:", "Gid:", "Groups:", "CapInh:", "CapPrm:", "CapEff:", "CapBnd:", "CapAmb:", "NoNewPrivs:"}) {
      if (name == wanted) facts[name] = value;
    }
  }
  facts["dumpable"] = std::to_string(prctl(PR_GET_DUMPABLE, 0, 0, 0, 0));
}

void try_to_come_back(Facts& facts) {
  const gid_t root_group = 0;
  facts["setuid"] = error_of(setuid(0));
  facts["seteuid"] = error_of(seteuid(0));
  facts["setresuid"] = error_of(setresuid(0, 0, 0));
  facts["setgid"] = error_of(setgid(0));
  facts["setresgid"] = error_of(setresgid(0, 0, 0));
  facts["setgroups"] = error_of(setgroups(1, &root_group));
  facts["chroot"] = error_of(chroot("/"));
}

/// As a container's manager may start us: a capability that survives execve(2).
bool raise_ambient() {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  std::array<__user_cap_data_struct, 2> data{};
  if (syscall(SYS_capget, &header, data.data()) != 0) return false;
  data[0].inheritable = 1U << CAP_NET_RAW;
  return syscall(SYS_capset, &header, data.data()) == 0 &&
         prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_NET_RAW, 0, 0) == 0;
}

/// What CAP_NET_RAW is kept for: SO_MARK; a raw socket shows it on every kernel.
void use_raw_network(Facts& facts) {
  const int raw = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_ICMP);
  facts["raw"] = error_of(raw);
  const int stream = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int mark = 7;
  facts["mark"] = error_of(setsockopt(stream, SOL_SOCKET, SO_MARK, &mark, sizeof mark));
}

std::string ids(unsigned id) {
  const std::string text = std::to_string(id);
  return text + " " + text + " " + text + " " + text;
}

/// Somebody who is not root and whose files nobody has.
User nobody() {
  return resolve_user("nobody").value_or(User{"nobody", 65534, 65534});
}

struct DropRow {
  const char* name;
  KeepCapability keep;
  const char* capabilities;
  const char* raw;
};

class Drop : public testing::TestWithParam<DropRow> {};

// security.md rule 16; contract.md section 1: `run` drops to intercept.user before it reads a byte from the network.
TEST_P(Drop, IsForGood) {
  if (geteuid() != 0) GTEST_SKIP() << "only root can become another user: run the tests as root";
  const DropRow& row = GetParam();
  const User user = nobody();
  const Facts facts = in_child([&](Facts& found) {
    const std::array<gid_t, 2> groups{0, 4};
    const bool more = setgroups(groups.size(), groups.data()) == 0 && raise_ambient();
    found["more to lose"] = more ? "yes" : "no";
    const auto dropped = drop_to_user(user, row.keep);
    found["dropped"] = dropped ? "yes" : dropped.error();
    tell_identity(found);
    use_raw_network(found);
    try_to_come_back(found);
    std::ifstream shadow("/etc/shadow");
    found["shadow"] = shadow ? "readable" : "not readable";
    Facts after;
    tell_identity(after);
    found["Uid after"] = after["Uid:"];
    found["CapEff after"] = after["CapEff:"];
  });
  const std::string none = "0000000000000000";
  const Facts wanted{{"ended", "0"},
                     {"more to lose", "yes"},
                     {"dropped", "yes"},
                     {"Uid:", ids(user.uid)},
                     {"Gid:", ids(user.gid)},
                     {"Groups:", ""},
                     {"CapInh:", none},
                     {"CapPrm:", row.capabilities},
                     {"CapEff:", row.capabilities},
                     {"CapBnd:", none},
                     {"CapAmb:", none},
                     {"NoNewPrivs:", "1"},
                     {"dumpable", "0"},
                     {"raw", row.raw},
                     {"mark", row.raw},
                     {"setuid", "EPERM"},
                     {"seteuid", "EPERM"},
                     {"setresuid", "EPERM"},
                     {"setgid", "EPERM"},
                     {"setresgid", "EPERM"},
                     {"setgroups", "EPERM"},
                     {"chroot", "EPERM"},
                     {"shadow", "not readable"},
                     {"Uid after", ids(user.uid)},
                     {"CapEff after", row.capabilities}};
  EXPECT_EQ(facts, wanted);
}

INSTANTIATE_TEST_SUITE_P(Privilege, Drop,
                         testing::Values(DropRow{"nothing_kept", KeepCapability::None, "0000000000000000", "EPERM"},
                                         DropRow{"net_raw_kept", KeepCapability::NetRaw, "0000000000002000", "done"}),
                         [](const auto& row) { return std::string(row.param.name); });

/// Some user that is not root: this one, or nobody.
User become_ordinary() {
  if (geteuid() != 0) return {"me", geteuid(), getegid()};
  const User user = nobody();
  if (setgroups(0, nullptr) != 0 || setresgid(user.gid, user.gid, user.gid) != 0 ||
      setresuid(user.uid, user.uid, user.uid) != 0) {
    _exit(2);
  }
  return user;
}

TEST(Privilege, WhoIsThatUserAlreadyIsOnlySealed) {
  if (getegid() == 0 && geteuid() != 0) GTEST_SKIP() << "in root's group, which is refused";
  const Facts facts = in_child([](Facts& found) {
    const User user = become_ordinary();
    found["wanted"] = ids(user.uid);
    prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
    const auto dropped = drop_to_user(user);
    found["dropped"] = dropped ? "yes" : dropped.error();
    tell_identity(found);
  });
  EXPECT_EQ(facts.at("dropped"), "yes");
  EXPECT_EQ(facts.at("Uid:"), facts.at("wanted"));
  EXPECT_EQ(facts.at("NoNewPrivs:"), "1");
  EXPECT_EQ(facts.at("dumpable"), "0");
}

/// As a service manager's AmbientCapabilities=CAP_NET_RAW with User= starts us.
bool become_ordinary_with_net_raw() {
  if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) != 0) return false;
  become_ordinary();
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  std::array<__user_cap_data_struct, 2> data{};
  data[0].effective = data[0].permitted = data[0].inheritable = 1U << CAP_NET_RAW;
  return syscall(SYS_capset, &header, data.data()) == 0 && raise_ambient();
}

// security.md rule 16: the one unit file serves every mode, and what the mode does not need goes.
TEST(Privilege, WhoIsThatUserAlreadyKeepsOnlyTheCapabilitySaid) {
  if (geteuid() != 0) GTEST_SKIP() << "only root has capabilities to give: run the tests as root";
  for (const auto& [keep, wanted] :
       {std::pair{KeepCapability::None, "0000000000000000"}, {KeepCapability::NetRaw, "0000000000002000"}}) {
    for (const bool named : {true, false}) {
      const Facts facts = in_child([&](Facts& found) {
        found["before"] = become_ordinary_with_net_raw() ? "raised" : "not raised";
        const auto dropped = named ? drop_to_user(nobody(), keep) : harden_process(keep);
        found["dropped"] = dropped ? "yes" : dropped.error();
        tell_identity(found);
      });
      EXPECT_EQ(facts.at("before"), "raised");
      EXPECT_EQ(facts.at("dropped"), "yes");
      EXPECT_EQ(facts.at("CapEff:"), wanted);
      EXPECT_EQ(facts.at("CapPrm:"), wanted);
      EXPECT_EQ(facts.at("CapInh:"), "0000000000000000");
      EXPECT_EQ(facts.at("CapAmb:"), "0000000000000000");
    }
  }
}

TEST(Privilege, WhoStaysWhoHeIsCanBeHardened) {
  const Facts facts = in_child([](Facts& found) {
    prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
    const auto hardened = harden_process();
    found["hardened"] = hardened ? "yes" : hardened.error();
    tell_identity(found);
  });
  EXPECT_EQ(facts.at("hardened"), "yes");
  EXPECT_EQ(facts.at("NoNewPrivs:"), "1");
  EXPECT_EQ(facts.at("dumpable"), "0");
}

// The rules' loop guard knows intercept.user alone: another user's connections would come back to the proxy.
TEST(Privilege, AnotherOrdinaryUserIsAnError) {
  const Facts facts = in_child([](Facts& found) {
    User other = become_ordinary();
    const uid_t me = other.uid;
    other = {"somebody", me + 1, me + 1};
    const auto dropped = drop_to_user(other);
    found["dropped"] = dropped ? "yes" : dropped.error();
    found["same"] = geteuid() == me ? "yes" : "no";
  });
  EXPECT_THAT(facts.at("dropped"), AllOf(HasSubstr("not as root or 'somebody'"), HasSubstr("intercept.user")));
  EXPECT_EQ(facts.at("same"), "yes");
}

TEST(Privilege, RootAndItsGroupAreNoOrdinaryUser) {
  for (const User& user : {User{"root", 0, 0}, User{"toor", 0, 100}, User{"staff", 1000, 0}}) {
    const auto dropped = drop_to_user(user);
    ASSERT_FALSE(dropped) << user.name;
    EXPECT_THAT(dropped.error(), AllOf(HasSubstr("'" + user.name + "'"), HasSubstr("intercept.user")));
  }
}

TEST(Privilege, UsersByNameAndNumber) {
  const auto by_name = resolve_user("root");
  ASSERT_TRUE(by_name) << by_name.error();
  EXPECT_EQ(by_name->uid, 0U);
  const auto by_number = resolve_user("0");
  ASSERT_TRUE(by_number) << by_number.error();
  EXPECT_EQ(by_number->name, "root");
}

TEST(Privilege, UnknownUsers) {
  const auto name = resolve_user("danegate-no-such-user");
  ASSERT_FALSE(name);
  EXPECT_THAT(name.error(), AllOf(HasSubstr("user 'danegate-no-such-user' does not exist"), HasSubstr("useradd")));
  const auto number = resolve_user("4294967293");
  ASSERT_FALSE(number);
  EXPECT_EQ(number.error(), "user '4294967293' does not exist: set intercept.user to one that does");
  // No entry, setresuid(2)'s "leave it", more than fits, signs and white space: never taken for a user.
  for (const char* text : {"4294967294", "4294967295", "4294967296", "-1", " 0", "0 ", "+0", ""}) {
    const auto user = resolve_user(text);
    ASSERT_FALSE(user) << text;
    EXPECT_THAT(user.error(), HasSubstr("does not exist")) << text;
  }
}

}  // namespace
}  // namespace danegate::ops
