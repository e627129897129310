package commands

import (
	"github.com/parley-chat/parley/commands/resp"
	"github.com/parley-chat/parley/datastructs"
)

const (
	errLCSKeys   = resp.Error("ERR The specified keys must contain string values")
	errLCSBoth   = resp.Error("ERR If you want both the length and indexes, please just use IDX.")
	errLCSMemory = resp.Error("ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len")

	// cellSize is what each cell of the table of lengths takes in Redis, in bytes,
	// and maxTable the most of those that a configuration can allow here.
	cellSize = 4
	maxTable = 4 << 30
)

// lcsOptions are the words behind the keys of LCS.
type lcsOptions struct {
	length, index, lengths bool
	least                  int64 // length of a match that IDX lists
}

func parseLCS(args [][]byte) (o lcsOptions, err error) {
	for i := 0; i < len(args); i++ {
		switch {
		case Is(args[i], "LEN"):
			o.length = true
		case Is(args[i], "IDX"):
			o.index = true
		case Is(args[i], "WITHMATCHLEN"):
			o.lengths = true
		case Is(args[i], "MINMATCHLEN") && i+1 < len(args):
			i++
			n, ok := ParseInt(args[i])
			if !ok {
				return o, errNotInteger
			}
			o.least = n
		default:
			return o, ErrSyntax
		}
	}
	if o.length && o.index {
		return o, errLCSBoth
	}
	return o, nil
}

func lcs(c *Context) error {
	first, err1 := Read[*datastructs.String](c, c.Args[1])
	second, err2 := Read[*datastructs.String](c, c.Args[2])
	if err1 != nil || err2 != nil {
		return errLCSKeys
	}
	o, err := parseLCS(c.Args[3:])
	if err != nil {
		return err
	}
	a, b := first.Bytes(), second.Bytes()
	if int64(len(a)+1) > min(c.Config.ProtoMaxBulk, maxTable)/cellSize/int64(len(b)+1) {
		return errLCSMemory
	}
	steps := newLCSSteps(a, b)
	switch {
	case o.index:
		replyMatches(c, steps, o)
	case o.length:
		c.Int(steps.length)
	default:
		c.BulkOwned(steps.subsequence())
	}
	return nil
}

// replyMatches lists the runs of bytes that the subsequence consists of, the
// last one first.
func replyMatches(c *Context, s *lcsSteps, o lcsOptions) {
	c.Map(2)
	c.BulkString("matches")
	mark, n := c.Mark(), 0
	s.runs(func(i, j, length int) {
		if int64(length) < o.least {
			return
		}
		n++
		if o.lengths {
			c.Array(3)
		} else {
			c.Array(2)
		}
		c.Array(2)
		c.Int(i)
		c.Int(i + length - 1)
		c.Array(2)
		c.Int(j)
		c.Int(j + length - 1)
		if o.lengths {
			c.Int(length)
		}
	})
	c.CloseArray(mark, n)
	c.BulkString("len")
	c.Int(s.length)
}

// lcsSteps knows a longest common subsequence of two strings. The textbook's
// table of lengths is not kept, only one bit of each cell: where two bytes
// differ, whether leaving out the byte of a keeps more than leaving out the one
// of b. Where both keep as much, Redis leaves out the byte of b; with several
// longest subsequences that decides which one clients see.
type lcsSteps struct {
	a, b   []byte
	skipA  []uint64 // bit i*len(b)+j
	length int
}

func newLCSSteps(a, b []byte) *lcsSteps {
	s := &lcsSteps{a: a, b: b, skipA: make([]uint64, (len(a)*len(b)+63)/64)}
	above, row := make([]uint32, len(b)+1), make([]uint32, len(b)+1)
	for i := range a {
		for j := range b {
			switch {
			case a[i] == b[j]:
				row[j+1] = above[j] + 1
			case above[j+1] > row[j]:
				row[j+1] = above[j+1]
				cell := i*len(b) + j
				s.skipA[cell/64] |= 1 << (cell % 64)
			default:
				row[j+1] = row[j]
			}
		}
		above, row = row, above
	}
	s.length = int(above[len(b)])
	return s
}

// runs calls visit for each run of the subsequence that is contiguous in both
// strings, from the end: where it starts in a and in b, and its length.
func (s *lcsSteps) runs(visit func(i, j, length int)) {
	i, j := len(s.a), len(s.b)
	for i > 0 && j > 0 {
		length := 0
		for i > 0 && j > 0 && s.a[i-1] == s.b[j-1] {
			i, j, length = i-1, j-1, length+1
		}
		if length > 0 {
			visit(i, j, length)
			continue
		}
		cell := (i-1)*len(s.b) + j - 1
		if s.skipA[cell/64]&(1<<(cell%64)) != 0 {
			i--
		} else {
			j--
		}
	}
}

func (s *lcsSteps) subsequence() []byte {
	text := make([]byte, s.length)
	end := s.length
	s.runs(func(i, _, length int) {
		end -= length
		copy(text[end:], s.a[i:i+length])
	})
	return text
}
