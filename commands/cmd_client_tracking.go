package commands

import (
	"slices"
	"strings"

	"github.com/parley-chat/parley/commands/resp"
)

// The subcommands of CLIENT about client-side caching
// (https://redis.io/docs/latest/develop/reference/client-side-caching/).

const (
	errRedirectTwice  = resp.Error("ERR A client can only redirect to a single other client")
	errRedirectNobody = resp.Error("ERR The client ID you want redirect to does not exist")
	errPrefixMode     = resp.Error("ERR PREFIX option requires BCAST mode to be enabled")
	errSwitchBCAST    = resp.Error("ERR You can't switch BCAST mode on/off before disabling tracking for this client, " +
		"and then re-enabling it with a different mode.")
	errOptBCAST  = resp.Error("ERR OPTIN and OPTOUT are not compatible with BCAST")
	errOptBoth   = resp.Error("ERR You can't specify both OPTIN mode and OPTOUT mode")
	errSwitchOpt = resp.Error("ERR You can't switch OPTIN/OPTOUT mode before disabling tracking for this client, " +
		"and then re-enabling it with a different mode.")

	errCachingMode = resp.Error("ERR CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or OPTOUT mode enabled")
	errCachingYes  = resp.Error("ERR CLIENT CACHING YES is only valid when tracking is enabled in OPTIN mode.")
	errCachingNo   = resp.Error("ERR CLIENT CACHING NO is only valid when tracking is enabled in OPTOUT mode.")
)

// clientTrackingOnOff is CLIENT TRACKING. To say ON again keeps the mode and the
// prefixes; all else is as the later call says.
func clientTrackingOnOff(c *Context) error {
	want, prefixes, err := parseTracking(c)
	if err != nil {
		return err
	}
	switch {
	case Is(c.Args[2], "OFF"):
		c.Tracking.disable(c.Client)
		c.OK()
		return nil
	case !Is(c.Args[2], "ON"):
		return ErrSyntax
	}
	if err := checkTracking(c.Client.tracked(), want, prefixes); err != nil {
		return err
	}
	c.Tracking.enable(c.Client, want, prefixes)
	c.OK()
	return nil
}

// tracked is what the client has asked for; all zero if nothing.
func (l *Client) tracked() clientTracking {
	if l.tracking == nil {
		return clientTracking{}
	}
	return *l.tracking
}

func parseTracking(c *Context) (want clientTracking, prefixes [][]byte, err error) {
	for i := 3; i < len(c.Args); i++ {
		switch option, more := c.Args[i], i+1 < len(c.Args); {
		case Is(option, "REDIRECT") && more:
			i++
			if want.redirect != 0 {
				return want, nil, errRedirectTwice
			}
			if want.redirect, err = c.IntArg(i); err != nil {
				return want, nil, err
			}
			if c.Clients.Get(want.redirect) == nil {
				return want, nil, errRedirectNobody
			}
		case Is(option, "BCAST"):
			want.broadcast = true
		case Is(option, "OPTIN"):
			want.optIn = true
		case Is(option, "OPTOUT"):
			want.optOut = true
		case Is(option, "NOLOOP"):
			want.noLoop = true
		case Is(option, "PREFIX") && more:
			i++
			prefixes = append(prefixes, c.Args[i])
		default:
			return want, nil, ErrSyntax
		}
	}
	return want, prefixes, nil
}

// checkTracking tells whether options may be given together, and beside what
// holds now.
func checkTracking(now, want clientTracking, prefixes [][]byte) error {
	switch {
	case len(prefixes) > 0 && !want.broadcast:
		return errPrefixMode
	case now.on && now.broadcast != want.broadcast:
		return errSwitchBCAST
	case want.broadcast && (want.optIn || want.optOut):
		return errOptBCAST
	case want.optIn && want.optOut:
		return errOptBoth
	case want.optIn && now.optOut, want.optOut && now.optIn:
		return errSwitchOpt
	}
	return checkPrefixes(&now, prefixes)
}

// checkPrefixes finds two prefixes with keys in common, of which at least one
// is new: of the new ones the first such, and what it first meets.
func checkPrefixes(now *clientTracking, prefixes [][]byte) error {
	first := firstOverlap(prefixes)
	for _, p := range prefixes[:min(first+1, len(prefixes))] {
		if other, found := now.overlapping(string(p)); found {
			return overlapError(string(p), "an existing", other)
		}
	}
	if first == len(prefixes) {
		return nil
	}
	prefix := string(prefixes[first])
	for _, later := range prefixes[first+1:] {
		if overlap(prefix, string(later)) {
			return overlapError(prefix, "another provided", string(later))
		}
	}
	return nil
}

// firstOverlap returns the place of the first prefix that overlaps with another, or
// their number. In order, those that begin with another follow it: one walk finds
// them, however many there are.
func firstOverlap(prefixes [][]byte) int {
	type entry struct {
		prefix string
		place  int
	}
	var all []entry
	for i, p := range prefixes {
		all = append(all, entry{string(p), i})
	}
	slices.SortFunc(all, func(a, b entry) int { return strings.Compare(a.prefix, b.prefix) })
	first := len(prefixes)
	var open []entry // each begins with the one before it
	for _, e := range all {
		for len(open) > 0 && !strings.HasPrefix(e.prefix, open[len(open)-1].prefix) {
			open = open[:len(open)-1]
		}
		if len(open) > 0 {
			first = min(first, e.place, open[len(open)-1].place)
		}
		open = append(open, e)
	}
	return first
}

func overlap(a, b string) bool { return strings.HasPrefix(a, b) || strings.HasPrefix(b, a) }

func overlapError(prefix, which, other string) error {
	return Errorf("ERR Prefix '%s' overlaps with %s prefix '%s'. Prefixes for a single client must not overlap.",
		cut([]byte(prefix), len(prefix)), which, cut([]byte(other), len(other)))
}

// clientCaching says of the next call, or transaction, whether the keys that it
// reads are to be remembered.
func clientCaching(c *Context) error {
	now := c.Client.tracked()
	yes := Is(c.Args[2], "YES")
	switch {
	case !now.on:
		return errCachingMode
	case yes && !now.optIn:
		return errCachingYes
	case !yes && !Is(c.Args[2], "NO"):
		return ErrSyntax
	case !yes && !now.optOut:
		return errCachingNo
	}
	c.Client.tracking.caching = true
	c.OK()
	return nil
}

// clientGetRedir replies with the client that is told instead of this one: 0
// for none, -1 without tracking.
func clientGetRedir(c *Context) error {
	c.Int64(c.Client.redirection())
	return nil
}

func (l *Client) redirection() int64 {
	if now := l.tracked(); now.on {
		return now.redirect
	}
	return -1
}

func clientTrackingInfo(c *Context) error {
	now := c.Client.tracked()
	var flags []string
	for _, f := range [...]struct {
		name  string
		holds bool
	}{
		{"off", !now.on},
		{"on", now.on},
		{"bcast", now.broadcast},
		{"optin", now.optIn},
		{"caching-yes", now.optIn && now.caching},
		{"optout", now.optOut},
		{"caching-no", now.optOut && now.caching},
		{"noloop", now.noLoop},
		{"broken_redirect", now.broken},
	} {
		if f.holds {
			flags = append(flags, f.name)
		}
	}
	c.Map(3)
	c.BulkString("flags")
	c.Set(len(flags))
	for _, name := range flags {
		c.BulkString(name)
	}
	c.BulkString("redirect")
	c.Int64(c.Client.redirection())
	c.BulkString("prefixes")
	c.Array(len(now.prefixes))
	for _, prefix := range now.prefixes {
		c.BulkString(prefix)
	}
	return nil
}
