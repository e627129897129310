package commands

import "github.com/parley-chat/parley/commands/resp"

// The commands about when keys expire.

const (
	errExpireNX   = resp.Error("ERR NX and XX, GT or LT options at the same time are not compatible")
	errExpireGTLT = resp.Error("ERR GT and LT options at the same time are not compatible")
)

// An expireRule says which deadlines a new one may take the place of. A key
// without one lives longer than any other.
type expireRule struct {
	onlyNew, onlyOld, later, earlier bool // NX XX GT LT
}

func parseExpireRule(args [][]byte) (r expireRule, err error) {
	for _, option := range args {
		switch {
		case Is(option, "NX"):
			r.onlyNew = true
		case Is(option, "XX"):
			r.onlyOld = true
		case Is(option, "GT"):
			r.later = true
		case Is(option, "LT"):
			r.earlier = true
		default:
			return r, Errorf("ERR Unsupported option %s", cut(option, len(option)))
		}
	}
	switch {
	case r.onlyNew && (r.onlyOld || r.later || r.earlier):
		return r, errExpireNX
	case r.later && r.earlier:
		return r, errExpireGTLT
	}
	return r, nil
}

// allows reports whether the deadline at may replace the old one, if there is one.
func (r expireRule) allows(at, old int64, hasDeadline bool) bool {
	switch {
	case r.onlyNew && hasDeadline, r.onlyOld && !hasDeadline:
		return false
	case r.later:
		return hasDeadline && at > old
	case r.earlier:
		return !hasDeadline || at < old
	}
	return true
}

func expire(c *Context) error    { return expireAs(c, &inSeconds) }
func pexpire(c *Context) error   { return expireAs(c, &inMillis) }
func expireat(c *Context) error  { return expireAs(c, &atUnixSeconds) }
func pexpireat(c *Context) error { return expireAs(c, &atUnixMillis) }

func expireAs(c *Context, f *timeForm) error {
	rule, err := parseExpireRule(c.Args[3:])
	if err != nil {
		return err
	}
	n, err := c.IntArg(2)
	if err != nil {
		return err
	}
	at, err := c.deadline(f, n)
	if err != nil {
		return err
	}
	key := c.Args[1]
	if c.use(key) == nil {
		c.Flag(false)
		return nil
	}
	switch old, hasDeadline := c.DB.Deadline(key); {
	case !rule.allows(at, old, hasDeadline):
		c.Flag(false)
	case at <= c.Now: // a deletion: Redis replies behind its event
		c.expireAt(key, at)
		c.Flag(true)
	default:
		c.Flag(true)
		c.expireAt(key, at)
	}
	return nil
}

func persist(c *Context) error {
	key := c.Args[1]
	stays := c.use(key) != nil && c.ClearDeadline(key)
	if stays {
		c.Notify(EventGeneric, "persist", key)
	}
	c.Flag(stays)
	return nil
}

func ttl(c *Context) error {
	return replyDeadline(c, func(at int64) int64 { return toSeconds(at - c.Now) })
}

func pttl(c *Context) error {
	return replyDeadline(c, func(at int64) int64 { return at - c.Now })
}

func expiretime(c *Context) error { return replyDeadline(c, toSeconds) }

func pexpiretime(c *Context) error {
	return replyDeadline(c, func(at int64) int64 { return at })
}

// replyDeadline replies with the deadline of a key as form puts it: -2 if there
// is no key, -1 if it has no deadline.
func replyDeadline(c *Context, form func(at int64) int64) error {
	key := c.Args[1]
	if c.Peek(key) == nil {
		c.Int(-2)
		return nil
	}
	at, hasDeadline := c.DB.Deadline(key)
	if !hasDeadline {
		c.Int(-1)
		return nil
	}
	c.Int64(form(at))
	return nil
}

// toSeconds rounds ms, which are not negative, half up; the sum may exceed an int64.
func toSeconds(ms int64) int64 { return int64((uint64(ms) + 500) / 1000) }
