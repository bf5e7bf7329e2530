// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "netfilter/rules.h"

namespace danegate::netfilter {

/// One notion in both languages, each in the form in which its program lists it (iptables-save, nft list).
struct Phrase {
  std::string iptables;
  std::string nft;
};

// Conditions.
Phrase tcp();                         ///< any packet of TCP, where a target asks for it
Phrase first_syn();                   ///< SYN without ACK, RST, FIN
Phrase any_syn(std::uint16_t sport);  ///< from this port with SYN, whatever else
Phrase syn_ack_reply();               ///< the answer of whoever was dialled
Phrase service_reply();               ///< a reply from a port below 1024
Phrase from_user(std::uint32_t uid);
Phrase marked(std::uint32_t mark);
Phrase own_flow();
Phrase redirected();  ///< the connection's destination was changed here
Phrase local_destination();
Phrase transparent_socket();  ///< a socket with IP_TRANSPARENT waits for this packet
Phrase arrives_by(std::string_view interface);
Phrase leaves_by(std::string_view interface);
/// Networks as they are listed (host bits cleared, 0.0.0.0/0 left out); nullopt: of the other family.
std::optional<Phrase> to_network(std::string_view network, Family family);
std::optional<Phrase> from_network(std::string_view network, Family family);
Phrase to_port(std::uint16_t port);

// What to do.
Phrase give_back();  ///< return to the chain before
Phrase let_in();     ///< accept
Phrase drop();
Phrase reject();  ///< by TCP reset
Phrase set_own_flow();
Phrase clear_own_flow();
Phrase set_divert();
Phrase redirect_to(std::uint16_t port);
Phrase send_to(std::string_view address, std::uint16_t port, Family family);
Phrase tproxy_to(std::string_view address, std::uint16_t port, Family family);

/// Side by side, with a space between where both say something.
Phrase join(const std::vector<Phrase>& parts);

}  // namespace danegate::netfilter
