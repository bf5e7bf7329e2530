// SPDX-License-Identifier: GPL-2.0-or-later
// The two ends for delivery_bench: a mail server that forgets what it is sent, and a client with a stopwatch. One
// thread, epoll, OpenSSL; each as cheap as may be, so that what stands between them is what is measured.
//
//   smtp_load sink CERT KEY PORT NAGLE             until it is killed; NAGLE 1: without TCP_NODELAY, as Postfix
//   smtp_load send ADDRESS PORT [KEY=VALUE …]      rcpt=, starttls=0|1, messages=, per= (a connection), at_once=,
//   size=,
//                                                  hold=ehlo|rcpt: keep the connections there until the standard input
//                                                  ends
// `send` prints one line: messages per second, own CPU seconds, median milliseconds a connection (from connect to the
// reply to QUIT).

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;

[[noreturn]] void die(const std::string& why) {
  std::fprintf(stderr, "smtp_load: %s\n", why.c_str());
  std::exit(1);
}

/// An end of a connection: non-blocking, in plaintext until secure() is called.
class Connection {
 public:
  Connection(int epoll, int fd) : epoll_(epoll), fd_(fd) {
    epoll_event event{.events = EPOLLIN | EPOLLOUT | EPOLLET, .data = {.ptr = this}};
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) != 0) die("epoll_ctl");
  }
  virtual ~Connection() {
    SSL_free(ssl_);
    close(fd_);
  }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  /// One turn: reads all there is, lets the owner answer, writes what fits. False: it is over.
  bool turn() {
    while (true) {
      if (ssl_ && !SSL_is_init_finished(ssl_)) {
        const int done = SSL_do_handshake(ssl_);
        if (done != 1) return SSL_get_error(ssl_, done) == SSL_ERROR_WANT_READ;
        on_secured();
      }
      static std::vector<char> room(65536);
      const long got =
          ssl_ ? SSL_read(ssl_, room.data(), static_cast<int>(room.size())) : read(fd_, room.data(), room.size());
      if (got > 0) {
        if (!on_octets({room.data(), static_cast<std::size_t>(got)})) return false;
        if (!flush()) return false;
        continue;
      }
      const bool later =
          ssl_ ? SSL_get_error(ssl_, static_cast<int>(got)) == SSL_ERROR_WANT_READ : got < 0 && errno == EAGAIN;
      return flush() && later;
    }
  }

 protected:
  void say(std::string_view octets) { out_ += octets; }
  /// After what was said; `octets` outlive it.
  void say_much(std::string_view octets) { much_ = octets; }
  void secure(SSL_CTX* context, bool server) {
    flush();
    ssl_ = SSL_new(context);
    SSL_set_fd(ssl_, fd_);
    server ? SSL_set_accept_state(ssl_) : SSL_set_connect_state(ssl_);
  }
  bool secured() const { return ssl_ != nullptr; }

  virtual bool on_octets(std::string_view octets) = 0;
  virtual void on_secured() {}

  bool flush() {
    if (ssl_ && !SSL_is_init_finished(ssl_)) return true;
    std::string_view first = out_;
    while (!first.empty() || !much_.empty()) {
      std::string_view& next = first.empty() ? much_ : first;
      const auto size = static_cast<int>(std::min<std::size_t>(next.size(), 1 << 20));
      const long sent = ssl_ ? SSL_write(ssl_, next.data(), size) : send(fd_, next.data(), next.size(), 0);
      if (sent <= 0) {
        out_.erase(0, out_.size() - first.size());
        return ssl_ ? SSL_get_error(ssl_, static_cast<int>(sent)) == SSL_ERROR_WANT_WRITE : errno == EAGAIN;
      }
      next.remove_prefix(static_cast<std::size_t>(sent));
    }
    out_.clear();
    return true;
  }

 private:
  int epoll_;
  int fd_;
  SSL* ssl_ = nullptr;
  std::string out_;
  std::string_view much_;
};

SSL_CTX* tls(const SSL_METHOD* method) {
  SSL_CTX* context = SSL_CTX_new(method);
  SSL_CTX_set_mode(context,
                   SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
  return context;
}

// The server.

SSL_CTX* server_tls = nullptr;

class Served final : public Connection {
 public:
  Served(int epoll, int fd) : Connection(epoll, fd) {
    say("220 sink ESMTP\r\n");
    flush();
  }

 private:
  bool on_octets(std::string_view octets) override {
    while (!octets.empty()) {
      if (content_) {
        skip_content(octets);
      } else {
        const auto end = octets.find('\n');
        line_ += octets.substr(0, end);
        if (end == std::string_view::npos) return true;
        octets.remove_prefix(end + 1);
        if (!obey(line_)) return false;
        line_.clear();
      }
    }
    return true;
  }
  /// To the end of data, which may come in two pieces.
  void skip_content(std::string_view& octets) {
    std::string seam = tail_ + std::string(octets.substr(0, 4));
    auto end = seam.find("\r\n.\r\n");
    if (end != std::string::npos) {
      end = end + 5 - tail_.size();
    } else if ((end = octets.find("\r\n.\r\n")) != std::string_view::npos) {
      end += 5;
    } else {
      tail_ = octets.size() >= 4 ? std::string(octets.substr(octets.size() - 4))
                                 : seam.substr(seam.size() - std::min<std::size_t>(seam.size(), 4));
      octets = {};
      return;
    }
    octets.remove_prefix(end);
    content_ = false;
    say("250 2.0.0 thrown away\r\n");
  }
  bool obey(std::string_view line) {
    const std::string_view verb = line.substr(0, 4);
    if (verb == "EHLO") {
      say(secured() ? "250-sink\r\n250-PIPELINING\r\n250-SIZE\r\n250 8BITMIME\r\n"
                    : "250-sink\r\n250-PIPELINING\r\n250-SIZE\r\n250-STARTTLS\r\n250 8BITMIME\r\n");
    } else if (verb == "STAR") {
      say("220 2.0.0 go ahead\r\n");
      secure(server_tls, true);
    } else if (verb == "DATA") {
      say("354 go ahead\r\n");
      content_ = true;
      tail_ = "\r\n";
    } else {
      say(verb == "QUIT" ? "221 2.0.0 bye\r\n" : "250 2.0.0 ok\r\n");
      if (verb == "QUIT") {
        flush();
        return false;
      }
    }
    return true;
  }

  std::string line_;
  std::string tail_;
  bool content_ = false;
};

/// Events of all connections; those that are over are deleted.
void serve_events(int epoll, int listener) {
  epoll_event events[256];
  const int count = epoll_wait(epoll, events, 256, -1);
  for (int i = 0; i < count; ++i) {
    auto* const connection = static_cast<Connection*>(events[i].data.ptr);
    if (connection == nullptr) {
      int fd = 0;
      while ((fd = accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) new Served(epoll, fd);
    } else if (!connection->turn()) {
      delete connection;
    }
  }
}

int sink(char** words) {
  server_tls = tls(TLS_server_method());
  if (SSL_CTX_use_certificate_chain_file(server_tls, words[0]) != 1 ||
      SSL_CTX_use_PrivateKey_file(server_tls, words[1], SSL_FILETYPE_PEM) != 1) {
    die("certificate or key");
  }
  const int epoll = epoll_create1(EPOLL_CLOEXEC);
  const int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  const int on = 1;
  const int no_delay = std::string_view(words[3]) == "1" ? 0 : 1;
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  setsockopt(listener, IPPROTO_TCP, TCP_NODELAY, &no_delay, sizeof no_delay);  // what is accepted inherits it
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(std::atoi(words[2])));
  if (bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 || listen(listener, 4096) != 0) {
    die("cannot listen");
  }
  epoll_event event{.events = EPOLLIN, .data = {.ptr = nullptr}};
  epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event);
  while (true) serve_events(epoll, listener);
}

// The client.

struct Plan {
  sockaddr_in server{};
  std::string rcpt = "rcpt@example.org";
  std::string hold;
  bool starttls = false;
  long messages = 1000;
  long per = 1;
  std::size_t at_once = 50;
  std::string message;  ///< with its end of data

  SSL_CTX* context = tls(TLS_client_method());
  int epoll = epoll_create1(EPOLL_CLOEXEC);
  long begun = 0;    ///< messages
  long refused = 0;  ///< connections
  long held = 0;     ///< connections
  std::vector<double> milliseconds;
};

class Client final : public Connection {
 public:
  Client(Plan& plan, int fd) : Connection(plan.epoll, fd), plan_(plan), since_(Clock::now()) {
    mine_ = std::min(plan.per, plan.messages - plan.begun);
    plan.begun += mine_;
  }
  bool done() const { return done_; }
  /// Nobody greeted. On one machine, a port that a connection of danegate's had a moment ago is not redirected
  /// (connection tracking still knows it), and the rules refuse what is not.
  bool refused() const { return stage_ == Stage::Greeting; }
  long messages() const { return mine_; }

 private:
  enum class Stage { Greeting, Ehlo, StartTls, SecuredEhlo, Envelope, Final, Quit };

  bool on_octets(std::string_view octets) override {
    for (auto end = octets.find('\n'); end != std::string_view::npos; end = octets.find('\n')) {
      line_ += octets.substr(0, end);
      octets.remove_prefix(end + 1);
      const bool last = line_.size() > 3 && line_[3] == ' ';
      if (last && line_[0] != '2' && line_[0] != '3') die("refused: " + line_);
      line_.clear();
      if (last && --due_ == 0 && !next()) return false;
    }
    line_ += octets;
    return true;
  }
  void on_secured() override {
    say("EHLO client.example\r\n");
    flush();
  }
  void expect(Stage stage, int replies = 1) {
    stage_ = stage;
    due_ = replies;
  }
  bool next() {
    switch (stage_) {
      case Stage::Greeting:
        say("EHLO client.example\r\n");
        expect(Stage::Ehlo);
        return true;
      case Stage::Ehlo:
        if (!plan_.starttls) return envelope();
        say("STARTTLS\r\n");
        expect(Stage::StartTls);
        return true;
      case Stage::StartTls:
        secure(plan_.context, false);
        expect(Stage::SecuredEhlo);
        return true;
      case Stage::SecuredEhlo: return envelope();
      case Stage::Envelope:
        if (!plan_.hold.empty()) return hold();
        say_much(plan_.message);
        expect(Stage::Final);
        return true;
      case Stage::Final:
        if (--mine_ > 0) return envelope();
        say("QUIT\r\n");
        expect(Stage::Quit);
        return true;
      case Stage::Quit:
        plan_.milliseconds.push_back(std::chrono::duration<double, std::milli>(Clock::now() - since_).count());
        done_ = true;
        return false;
    }
    return false;
  }
  bool envelope() {
    if (plan_.hold == "ehlo") return hold();
    say("MAIL FROM:<sender@client.example>\r\nRCPT TO:<" + plan_.rcpt + ">\r\n");
    if (plan_.hold.empty()) say("DATA\r\n");
    expect(Stage::Envelope, plan_.hold.empty() ? 3 : 2);
    return true;
  }
  bool hold() {
    ++plan_.held;
    return true;
  }

  Plan& plan_;
  Clock::time_point since_;
  Stage stage_ = Stage::Greeting;
  int due_ = 1;
  long mine_ = 0;
  bool done_ = false;
  std::string line_;
};

void connect_one(Plan& plan) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  const int on = 1;
  if (fd < 0 || setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) != 0) die("socket");
  new Client(plan, fd);
  if (connect(fd, reinterpret_cast<sockaddr*>(&plan.server), sizeof plan.server) != 0 && errno != EINPROGRESS) {
    die("connect");
  }
}

double cpu_seconds() {
  rusage used{};
  getrusage(RUSAGE_SELF, &used);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) * 1e-6;
  };
  return seconds(used.ru_utime) + seconds(used.ru_stime);
}

Plan read_plan(char** words) {
  Plan plan;
  plan.server.sin_family = AF_INET;
  inet_pton(AF_INET, words[0], &plan.server.sin_addr);
  plan.server.sin_port = htons(static_cast<std::uint16_t>(std::atoi(words[1])));
  std::map<std::string, std::string> options;
  for (char** word = words + 2; *word != nullptr; ++word) {
    const std::string text = *word;
    options[text.substr(0, text.find('='))] = text.substr(text.find('=') + 1);
  }
  const auto number = [&](const char* key, long otherwise) {
    return options.contains(key) ? std::stol(options[key]) : otherwise;
  };
  if (options.contains("rcpt")) plan.rcpt = options["rcpt"];
  plan.hold = options["hold"];
  plan.starttls = number("starttls", 0) != 0;
  plan.messages = number("messages", 1000);
  plan.per = number("per", 1);
  plan.at_once = static_cast<std::size_t>(number("at_once", 50));
  plan.message = "Subject: load\r\n\r\n";
  const auto size = static_cast<std::size_t>(number("size", 4096));
  while (plan.message.size() < size) plan.message += std::string(70, 'x') + "\r\n";
  plan.message += ".\r\n";
  return plan;
}

int deliver(char** words) {
  Plan plan = read_plan(words);
  const rlimit files{65536, 65536};
  setrlimit(RLIMIT_NOFILE, &files);
  const auto begun = Clock::now();
  const double spent = cpu_seconds();  // to load libraries, and the certificates that nobody asks for
  std::size_t open = 0;
  while (true) {
    while (open - static_cast<std::size_t>(plan.held) < plan.at_once && plan.begun < plan.messages) {
      connect_one(plan);
      ++open;
    }
    if (open == static_cast<std::size_t>(plan.held)) break;
    epoll_event events[256];
    const int count = epoll_wait(plan.epoll, events, 256, -1);
    for (int i = 0; i < count; ++i) {
      auto* const client = static_cast<Client*>(static_cast<Connection*>(events[i].data.ptr));
      if (client->turn()) continue;
      if (client->refused() && ++plan.refused <= 1 + plan.messages / 20) {
        plan.begun -= client->messages();  // another takes them
      } else if (!client->done()) {
        die("the connection was lost");
      }
      delete client;
      --open;
    }
  }
  const double took = std::chrono::duration<double>(Clock::now() - begun).count();
  auto& sorted = plan.milliseconds;
  std::sort(sorted.begin(), sorted.end());
  std::printf("%.1f %.4f %.3f\n", static_cast<double>(plan.messages) / took, cpu_seconds() - spent,
              sorted.empty() ? 0.0 : sorted[sorted.size() / 2]);
  std::fflush(stdout);
  char octet = 0;
  if (!plan.hold.empty() && read(0, &octet, 1) != 0) die("standard input");
  return 0;
}

}  // namespace

int main(int count, char** words) {
  std::signal(SIGPIPE, SIG_IGN);
  const std::string_view mode = count > 1 ? words[1] : "";
  if (mode == "sink" && count == 6) return sink(words + 2);
  if (mode == "send" && count > 3) return deliver(words + 2);
  die("usage: smtp_load sink CERT KEY PORT NAGLE | send ADDRESS PORT [KEY=VALUE …]");
}
