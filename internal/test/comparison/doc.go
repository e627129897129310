// Package comparison puts parley beside miniredis, the server that most Go tests
// use: what a call costs through go-redis, what a server costs that lives as long
// as a test, and what a subscriber who does not read does to others. It is a
// module of its own, so that whoever embeds parley does not inherit the peer.
package comparison
