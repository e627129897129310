package commands

import (
	"math"
	"math/big"

	"github.com/parley-chat/parley/datastructs"
)

// The commands that use a string as a number.

func incr(c *Context) error { return addInt(c, 1) }
func decr(c *Context) error { return addInt(c, -1) }

func incrby(c *Context) error {
	by, err := c.IntArg(2)
	if err != nil {
		return err
	}
	return addInt(c, by)
}

func decrby(c *Context) error {
	by, err := c.IntArg(2)
	if err != nil {
		return err
	}
	if by == math.MinInt64 {
		return errDecrement
	}
	return addInt(c, -by)
}

func addInt(c *Context, by int64) error {
	key := c.Args[1]
	s, err := Find[*datastructs.String](c, key)
	if err != nil {
		return err
	}
	if s == nil {
		s = datastructs.NewInt(0)
	}
	n, ok := s.Int()
	if !ok {
		return errNotInteger
	}
	if by > 0 && n > math.MaxInt64-by || by < 0 && n < math.MinInt64-by {
		return errOverflow
	}
	s.SetInt(n + by)
	c.Save(key, s, EventString, "incrby")
	c.Int64(n + by)
	return nil
}

func incrbyfloat(c *Context) error {
	key := c.Args[1]
	s, err := Find[*datastructs.String](c, key)
	if err != nil {
		return err
	}
	n, ok := new(big.Float), true
	if s != nil {
		n, ok = parseLong(s.Bytes())
	}
	by, valid := parseLong(c.Args[2])
	if !ok || !valid {
		return errNotFloat
	}
	sum, ok := addLong(n, by)
	if !ok {
		return errIncrementInf
	}
	c.Save(key, datastructs.NewText(sum), EventString, "incrbyfloat")
	c.EmitAs("SET", key, sum, "KEEPTTL")
	c.Bulk(sum)
	return nil
}
