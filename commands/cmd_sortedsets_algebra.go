package commands

import (
	"cmp"
	"math"
	"slices"
	"strings"

	"github.com/parley-chat/parley/commands/resp"
	"github.com/parley-chat/parley/datastructs"
)

// What it costs to combine inputs.
const (
	costUnion     = "O(N)+O(M*log(M)), N being the sum of the sizes of the inputs and M the size of the result"
	costInter     = "O(N*K)+O(M*log(M)), N being the size of the smallest input, K the number of inputs and M the size of the result"
	costDiff      = "O(N*K)+O(M*log(M)), N being the size of the first input, K the number of inputs and M the size of the result"
	costInterCard = "O(N*K), N being the size of the smallest input and K the number of inputs"
)

var scoreAlgebraRows = []Command{
	{
		Name: "zdiff", Syntax: "numkeys key [key ...] [WITHSCORES]",
		Summary: "Lists the members of the first set or sorted set that are in none of the others.",
		Since:   "6.2.0", Group: "sorted-set", Complexity: costDiff,
		Arity: -3, Flags: ReadOnly,
		Keys: Keys{{First: 1, Count: true, Flags: RO | Access}},
		Run:  zdiff,
	},
	{
		Name: "zdiffstore", Syntax: "destination numkeys key [key ...]",
		Summary: "Stores the members of the first set or sorted set that are in none of the others.",
		Since:   "6.2.0", Group: "sorted-set", Complexity: costDiff,
		Arity: -4, Flags: Write | DenyOOM,
		Keys: Keys{{First: 1, Flags: OW | Update}, {First: 2, Count: true, Flags: RO | Access}},
		Run:  zdiffstore,
	},
	{
		Name: "zinter", Syntax: "numkeys key [key ...] [WEIGHTS weight [weight ...]] [AGGREGATE SUM | MIN | MAX] [WITHSCORES]",
		Summary: "Lists the members that all of the sets or sorted sets have, with their scores combined.",
		Since:   "6.2.0", Group: "sorted-set", Complexity: costInter,
		Arity: -3, Flags: ReadOnly,
		Keys: Keys{{First: 1, Count: true, Flags: RO | Access}},
		Run:  zinter,
	},
	{
		Name: "zintercard", Syntax: "numkeys key [key ...] [LIMIT limit]",
		Summary: "Counts the members that all of the sets or sorted sets have, up to a limit.",
		Since:   "7.0.0", Group: "sorted-set", Complexity: costInterCard,
		Arity: -3, Flags: ReadOnly,
		Keys: Keys{{First: 1, Count: true, Flags: RO | Access}},
		Run:  zintercard,
	},
	{
		Name: "zinterstore", Syntax: "destination numkeys key [key ...] [WEIGHTS weight [weight ...]] [AGGREGATE SUM | MIN | MAX]",
		Summary: "Stores the members that all of the sets or sorted sets have, with their scores combined.",
		Since:   "2.0.0", Group: "sorted-set", Complexity: costInter,
		Arity: -4, Flags: Write | DenyOOM,
		Keys: Keys{{First: 1, Flags: OW | Update}, {First: 2, Count: true, Flags: RO | Access}},
		Run:  zinterstore,
	},
	{
		Name: "zunion", Syntax: "numkeys key [key ...] [WEIGHTS weight [weight ...]] [AGGREGATE SUM | MIN | MAX] [WITHSCORES]",
		Summary: "Lists the members that any of the sets or sorted sets has, with their scores combined.",
		Since:   "6.2.0", Group: "sorted-set", Complexity: costUnion,
		Arity: -3, Flags: ReadOnly,
		Keys: Keys{{First: 1, Count: true, Flags: RO | Access}},
		Run:  zunion,
	},
	{
		Name: "zunionstore", Syntax: "destination numkeys key [key ...] [WEIGHTS weight [weight ...]] [AGGREGATE SUM | MIN | MAX]",
		Summary: "Stores the members that any of the sets or sorted sets has, with their scores combined.",
		Since:   "2.0.0", Group: "sorted-set", Complexity: costUnion,
		Arity: -4, Flags: Write | DenyOOM,
		Keys: Keys{{First: 1, Flags: OW | Update}, {First: 2, Count: true, Flags: RO | Access}},
		Run:  zunionstore,
	},
}

const errWeight = resp.Error("ERR weight value is not a float")

// An algebraOp makes one result of several inputs.
type algebraOp uint8

const (
	opUnion algebraOp = iota
	opInter
	opDiff
)

// An algebra is one call of ZUNION or its kin.
type algebra struct {
	op         algebraOp
	inputs     []scoreInput
	combine    func(a, b float64) float64
	withScores bool
}

// A scoreInput is what one key gives: members with scores, 1 for each member
// of a set. At most one of the two is not nil.
type scoreInput struct {
	sorted *datastructs.SortedSet
	plain  *datastructs.Set
	weight float64
}

// A scoredMember is one member of a result. Results are not kept in a
// SortedSet, as a small one makes 0 of -0, which ZUNION is to list.
type scoredMember struct {
	member string
	score  float64
}

func zunion(c *Context) error { return listAlgebra(c, opUnion) }

func zinter(c *Context) error { return listAlgebra(c, opInter) }

func zdiff(c *Context) error { return listAlgebra(c, opDiff) }

func listAlgebra(c *Context, op algebraOp) error {
	a := algebra{op: op, combine: addOrZero}
	options, err := a.readKeys(c, 1)
	if err != nil {
		return err
	}
	if err := a.readOptions(options, false); err != nil {
		return err
	}
	result := a.result()
	openScored(c, len(result), a.withScores)
	for _, e := range result {
		writeScored(c, []byte(e.member), e.score, a.withScores)
	}
	return nil
}

func zunionstore(c *Context) error { return storeAlgebra(c, opUnion, "zunionstore") }

func zinterstore(c *Context) error { return storeAlgebra(c, opInter, "zinterstore") }

func zdiffstore(c *Context) error { return storeAlgebra(c, opDiff, "zdiffstore") }

func storeAlgebra(c *Context, op algebraOp, event string) error {
	a := algebra{op: op, combine: addOrZero}
	options, err := a.readKeys(c, 2)
	if err != nil {
		return err
	}
	if err := a.readOptions(options, true); err != nil {
		return err
	}
	result := a.result()
	stored := new(datastructs.SortedSet)
	for _, e := range result {
		stored.Set([]byte(e.member), e.score)
	}
	if stored.Encoding() == "skiplist" {
		for _, e := range result {
			keepSign(stored, []byte(e.member), e.score)
		}
	}
	storeSorted(c, c.Args[1], stored, event)
	return nil
}

func zintercard(c *Context) error {
	a := algebra{op: opInter, combine: addOrZero}
	options, err := a.readKeys(c, 1)
	if err != nil {
		return err
	}
	limit := int64(0)
	for ; len(options) > 0; options = options[2:] {
		if len(options) < 2 || !Is(options[0], "LIMIT") {
			return ErrSyntax
		}
		var ok bool
		if limit, ok = ParseInt(options[1]); !ok || limit < 0 {
			return errLimit
		}
	}
	n := 0
	for range a.inter() {
		if n++; int64(n) == limit {
			break
		}
	}
	c.Int(n)
	return nil
}

// readKeys reads the number of keys at word i and looks the keys up. It
// returns the words behind them.
func (a *algebra) readKeys(c *Context, i int) (options [][]byte, err error) {
	n, err := c.IntArg(i)
	words := c.Args[i+1:]
	switch {
	case err != nil:
		return nil, err
	case n < 1:
		return nil, Errorf("ERR at least 1 input key is needed for '%s' command", c.Command.FullName())
	case n > int64(len(words)):
		return nil, ErrSyntax
	}
	a.inputs = make([]scoreInput, n)
	for i, key := range words[:n] {
		a.inputs[i].weight = 1
		switch v := c.Lookup(key).(type) {
		case nil:
		case *datastructs.SortedSet:
			a.inputs[i].sorted = v
		case *datastructs.Set:
			a.inputs[i].plain = v
		default:
			return nil, ErrWrongType
		}
	}
	return words[n:], nil
}

// readOptions reads WEIGHTS, AGGREGATE and WITHSCORES in any order, again and
// again if need be: the last one holds.
func (a *algebra) readOptions(words [][]byte, store bool) (err error) {
	for len(words) > 0 {
		switch w := words[0]; {
		case a.op != opDiff && Is(w, "WEIGHTS") && len(words) > len(a.inputs):
			if err := a.readWeights(words[1:]); err != nil {
				return err
			}
			words = words[1+len(a.inputs):]
		case a.op != opDiff && Is(w, "AGGREGATE") && len(words) > 1:
			if a.combine, err = combination(words[1]); err != nil {
				return err
			}
			words = words[2:]
		case !store && Is(w, "WITHSCORES"):
			a.withScores = true
			words = words[1:]
		default:
			return ErrSyntax
		}
	}
	return nil
}

func (a *algebra) readWeights(words [][]byte) error {
	for i := range a.inputs {
		weight, ok := parseFloat(words[i])
		if !ok {
			return errWeight
		}
		a.inputs[i].weight = weight
	}
	return nil
}

func combination(word []byte) (func(a, b float64) float64, error) {
	switch {
	case Is(word, "SUM"):
		return addOrZero, nil
	case Is(word, "MIN"):
		return lesser, nil
	case Is(word, "MAX"):
		return greater, nil
	}
	return nil, ErrSyntax
}

// addOrZero takes the sum of opposite infinities for zero, as Redis does.
func addOrZero(a, b float64) float64 { return zeroIfNaN(a + b) }

// lesser and greater keep a where b is NaN, which min and max of Go do not.
func lesser(a, b float64) float64 {
	if b < a {
		return b
	}
	return a
}

func greater(a, b float64) float64 {
	if b > a {
		return b
	}
	return a
}

func zeroIfNaN(f float64) float64 {
	if math.IsNaN(f) {
		return 0
	}
	return f
}

// result lists what comes out, in the order of a sorted set.
func (a *algebra) result() []scoredMember {
	var list []scoredMember
	switch a.op {
	case opUnion:
		list = a.union()
	case opInter:
		for e := range a.inter() {
			list = append(list, e)
		}
	case opDiff:
		list = a.diff()
	}
	slices.SortFunc(list, func(a, b scoredMember) int {
		return cmp.Or(cmp.Compare(a.score, b.score), strings.Compare(a.member, b.member))
	})
	return list
}

// sortInputs puts the smallest first, as Redis does: sums of floats depend on
// the order in which they are taken.
func (a *algebra) sortInputs() {
	slices.SortStableFunc(a.inputs, func(a, b scoreInput) int { return a.len() - b.len() })
}

func (a *algebra) union() []scoredMember {
	a.sortInputs()
	largest := a.inputs[len(a.inputs)-1].len()
	list := make([]scoredMember, 0, largest)
	place := make(map[string]int, largest)
	for _, in := range a.inputs {
		in.each(func(member []byte, score float64) bool {
			score = zeroIfNaN(score * in.weight)
			if i, held := place[string(member)]; held {
				list[i].score = a.combine(list[i].score, score)
				return true
			}
			own := string(member)
			place[own] = len(list)
			list = append(list, scoredMember{own, score})
			return true
		})
	}
	return list
}

// inter walks the members of the smallest input that all the others have.
func (a *algebra) inter() func(yield func(scoredMember) bool) {
	a.sortInputs()
	return func(yield func(scoredMember) bool) {
		a.inputs[0].each(func(member []byte, score float64) bool {
			score = zeroIfNaN(score * a.inputs[0].weight)
			for _, in := range a.inputs[1:] {
				other, held := in.score(member)
				if !held {
					return true
				}
				score = a.combine(score, other*in.weight)
			}
			return yield(scoredMember{string(member), score})
		})
	}
}

func (a *algebra) diff() (list []scoredMember) {
	a.inputs[0].each(func(member []byte, score float64) bool {
		for _, in := range a.inputs[1:] {
			if _, held := in.score(member); held {
				return true
			}
		}
		list = append(list, scoredMember{string(member), score})
		return true
	})
	return list
}

func (in *scoreInput) len() int { return in.sorted.Len() + in.plain.Len() }

// each walks the members, which are valid during their step only.
func (in *scoreInput) each(visit func(member []byte, score float64) bool) {
	for member, score := range in.sorted.Range(0, in.sorted.Len(), false) {
		if !visit(member, score) {
			return
		}
	}
	for member := range in.plain.All() {
		if !visit(member, 1) {
			return
		}
	}
}

func (in *scoreInput) score(member []byte) (float64, bool) {
	if in.plain.Has(member) {
		return 1, true
	}
	return in.sorted.Score(member)
}
