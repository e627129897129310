package commands

import "github.com/parley-chat/parley/datastructs"

// The commands that work on a part of a string.

func strlen(c *Context) error {
	s, err := Read[*datastructs.String](c, c.Args[1])
	if err != nil {
		return err
	}
	c.Int(s.Len())
	return nil
}

func getrange(c *Context) error {
	start, err := c.IntArg(2)
	if err != nil {
		return err
	}
	end, err := c.IntArg(3)
	if err != nil {
		return err
	}
	s, err := Read[*datastructs.String](c, c.Args[1])
	if err != nil {
		return err
	}
	first, last, ok := span(start, end, int64(s.Len()))
	if !ok {
		c.Bulk(nil)
		return nil
	}
	if part, lent := s.Range(int(first), int(last)); lent {
		c.Bulk(part)
	} else {
		c.BulkOwned(part)
	}
	return nil
}

// span returns the first and last of n bytes that start and end stand for, where
// negative numbers count from the end. One before the beginning is the first
// byte, even as an end ("-5 -4" of 3 bytes is one byte), but not if it also
// comes before a negative start.
func span(start, end, n int64) (first, last int64, ok bool) {
	if start < 0 && end < 0 && start > end {
		return 0, 0, false
	}
	if start < 0 {
		start = max(0, n+start)
	}
	if end < 0 {
		end = max(0, n+end)
	}
	end = min(end, n-1)
	return start, end, start <= end
}

func setrange(c *Context) error {
	offset, err := c.IntArg(2)
	if err != nil {
		return err
	}
	if offset < 0 {
		return errOffset
	}
	key, patch := c.Args[1], c.Args[3]
	s, err := Open[*datastructs.String](c, key)
	if err != nil {
		return err
	}
	if len(patch) == 0 {
		c.Int(s.Len())
		return nil
	}
	if offset > c.maxText()-int64(len(patch)) {
		return errTooLong
	}
	s.SetRange(int(offset), patch)
	c.Save(key, s, EventString, "setrange")
	c.Int(s.Len())
	return nil
}

func appendValue(c *Context) error {
	key, tail := c.Args[1], c.Args[2]
	s, err := Find[*datastructs.String](c, key)
	switch {
	case err != nil:
		return err
	case s == nil:
		s = newString(c, tail) // as SET: it may be an integer
	case int64(s.Len()) > c.maxText()-int64(len(tail)):
		return errTooLong
	default:
		s.Append(tail)
	}
	c.Save(key, s, EventString, "append")
	c.Int(s.Len())
	return nil
}

// maxText is how long a string may grow. Whatever the configuration allows, that
// is no length which ends the process: memory that is not there cannot be refused.
func (c *Context) maxText() int64 {
	const most = 4 << 30
	return min(c.Config.ProtoMaxBulk, most)
}
