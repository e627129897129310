// Package comparison compares parley with miniredis, which most Go tests use:
// the time of a call through go-redis, the time of a server that lives as long
// as a test, and the effect of a subscriber that does not read on other
// clients. It is a module of its own, so that programs that embed parley do not
// depend on miniredis.
package comparison
