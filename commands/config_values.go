package commands

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/parley-chat/parley/commands/resp"
)

// The reasons that CONFIG SET gives, in Redis's words.
const (
	errImmutable    = resp.Error("can't set immutable config")
	errDuplicate    = resp.Error("duplicate parameter")
	errNotAnInteger = resp.Error("argument couldn't be parsed into an integer")
	errNotYesNo     = resp.Error("argument must be 'yes' or 'no'")
	errPercentiles  = resp.Error("Invalid latency-tracking-info-percentiles parameters")
	errPercentRange = resp.Error("latency-tracking-info-percentiles parameters should sit between [0.0,100.0]")
	errNotMemory    = resp.Error("argument must be a memory value")
	errLimitWords   = resp.Error("Wrong number of arguments in buffer limit configuration.")
	errLimitClass   = resp.Error("Invalid client class specified in buffer limit configuration.")
	errLimitNumbers = resp.Error("Error in hard, soft or soft_seconds setting in buffer limit configuration.")
)

func errRange(low, high int64) error {
	return fmt.Errorf("argument must be between %d and %d inclusive", low, high)
}

// own is a parameter that tells of the server and is not to be changed.
func own(name string, get func(*Context) string) parameter { return parameter{name: name, get: get} }

// integer is a parameter that is a number.
func integer(name string, low, high int64, field func(*Config) *int64) parameter {
	return parameter{
		name: name,
		get:  func(c *Context) string { return strconv.FormatInt(*field(&c.Config), 10) },
		set: func(draft *Config, v string) error {
			n, ok := ParseInt([]byte(v))
			switch {
			case !ok:
				return errNotAnInteger
			case n < low || n > high:
				return errRange(low, high)
			}
			*field(draft) = n
			return nil
		},
	}
}

var yesOrNo = map[bool]string{false: "no", true: "yes"}

// yesNo is a parameter that is on or off.
func yesNo(name string, field func(*Config) *bool) parameter {
	return parameter{
		name: name,
		get:  func(c *Context) string { return yesOrNo[*field(&c.Config)] },
		set: func(draft *Config, v string) error {
			yes := sameWord(v, "yes")
			if !yes && !sameWord(v, "no") {
				return errNotYesNo
			}
			*field(draft) = yes
			return nil
		},
	}
}

// fixed is a parameter that Redis does not change while it runs either.
func fixed(name, value string) parameter {
	return parameter{name: name, get: func(*Context) string { return value }}
}

// constant is a parameter that Redis can change and this server cannot. To set
// it to what it is does no harm, and scripts do that.
func constant(name, value string) parameter {
	return parameter{
		name: name,
		get:  func(*Context) string { return value },
		set: func(_ *Config, v string) error {
			if !sameWord(v, value) {
				return errImmutable
			}
			return nil
		},
	}
}

// limit is where an encoding ends.
func limit(name string, n int) parameter { return constant(name, strconv.Itoa(n)) }

// seconds is a parameter that is a time to wait; 0: for ever.
func seconds(name string, field func(*Config) *int64) parameter {
	return integer(name, 0, math.MaxInt32, field)
}

// memoryParameter is a limit in bytes, of at least 1 MiB.
func memoryParameter(name string, field func(*Config) *int64) parameter {
	return bytesParameter(name, 1<<20, field)
}

// bytesPerSecond is a rate.
func bytesPerSecond(name string, field func(*Config) *int64) parameter {
	return bytesParameter(name, 1, field)
}

func bytesParameter(name string, low uint64, field func(*Config) *int64) parameter {
	const high = math.MaxInt64
	return parameter{
		name: name,
		get:  func(c *Context) string { return strconv.FormatInt(*field(&c.Config), 10) },
		set: func(draft *Config, v string) error {
			n, ok := parseMemory(v)
			switch {
			case !ok:
				return errNotMemory
			case n < low || n > high:
				return errRange(int64(low), high)
			}
			*field(draft) = int64(n)
			return nil
		},
	}
}

// cutText is what C sees of a value: all before a NUL.
func cutText(v string) string {
	v, _, _ = strings.Cut(v, "\x00")
	return v
}

var memoryUnits = map[string]uint64{
	"": 1, "b": 1,
	"k": 1000, "m": 1000 * 1000, "g": 1000 * 1000 * 1000,
	"kb": 1 << 10, "mb": 1 << 20, "gb": 1 << 30,
}

// parseMemory reads "100", "1k" (1000), "1kb" (1024) and so on up to gb, in any
// case. As in Redis no digits are 0, too many are the largest number, and a
// product too large wraps around.
func parseMemory(text string) (uint64, bool) {
	text = cutText(text)
	digits := 0
	for digits < len(text) && '0' <= text[digits] && text[digits] <= '9' {
		digits++
	}
	unit, ok := memoryUnits[lowered(text[digits:])]
	if !ok || digits >= 128 {
		return 0, false
	}
	n, _ := strconv.ParseUint(text[:digits], 10, 64) // the largest, if out of range
	return n * unit, true
}

func setMaxClients(draft *Config, v string) error {
	const low, high = 1, math.MaxUint32
	n, ok := ParseInt([]byte(v))
	switch {
	case !ok:
		return errNotAnInteger
	case n < low || n > high:
		return errRange(low, high)
	}
	if draft.LimitClients != nil {
		if most := draft.LimitClients(int(n)); most < int(n) {
			return Errorf("The operating system is not able to handle the specified number of clients, try with %d", most)
		}
	}
	draft.MaxClients = int(n)
	return nil
}

func setPassword(draft *Config, v string) error {
	draft.Password = v
	return nil
}

// channelDefaults are the rules that acl-pubsub-default can be, by whether
// users may use all channels.
var channelDefaults = map[bool]string{true: "allchannels", false: "resetchannels"}

func channelDefaultText(c *Context) string { return channelDefaults[c.Config.ACLAllChannels] }

func setChannelDefault(draft *Config, v string) error {
	for all, name := range channelDefaults {
		if sameWord(cutText(v), name) {
			draft.ACLAllChannels = all
			return nil
		}
	}
	return errors.New("argument(s) must be one of the following: allchannels, resetchannels")
}

func aclFilePath(c *Context) string {
	if c.Host.ACLFile == nil {
		return ""
	}
	return c.Host.ACLFile.Path
}

func setEvents(draft *Config, v string) (err error) {
	draft.Events, err = ParseEvents(cutText(v))
	return err
}

// LogLevels are the levels of logging by Redis's names, what is least first.
var LogLevels = []string{"debug", "verbose", "notice", "warning"}

func setLogLevel(draft *Config, v string) error {
	v = cutText(v)
	i := slices.IndexFunc(LogLevels, func(level string) bool { return sameWord(v, level) })
	switch {
	case i < 0:
		return errors.New("argument(s) must be one of the following: " + strings.Join(LogLevels, ", "))
	case LogLevels[i] == draft.LogLevel:
		return nil
	case draft.SetLogLevel == nil:
		return errImmutable
	}
	draft.LogLevel = LogLevels[i]
	return nil
}

// outputClassNames has the name that CONFIG GET writes first.
var outputClassNames = [OutputClasses][]string{
	OutputNormal:  {"normal"},
	OutputReplica: {"slave", "replica"},
	OutputPubSub:  {"pubsub"},
}

func outputLimitsText(c *Context) string {
	var texts []string
	for class, l := range c.Config.OutputLimits {
		texts = append(texts, fmt.Sprintf("%s %d %d %d", outputClassNames[class][0], l.Hard, l.Soft, l.Seconds))
	}
	return strings.Join(texts, " ")
}

// setOutputLimits reads any number of: class, hard limit, soft limit, seconds.
// Classes that are not named stay as they are.
func setOutputLimits(draft *Config, v string) error {
	if v == "" {
		return nil
	}
	words := strings.Split(v, " ")
	if len(words)%4 != 0 {
		return errLimitWords
	}
	for ; len(words) > 0; words = words[4:] {
		class := slices.IndexFunc(outputClassNames[:], func(names []string) bool {
			return slices.Contains(names, lowered(cutText(words[0])))
		})
		if class < 0 {
			return errLimitClass
		}
		hard, ok1 := parseMemory(words[1])
		soft, ok2 := parseMemory(words[2])
		seconds, ok3 := parseSeconds(words[3])
		if !ok1 || !ok2 || !ok3 {
			return errLimitNumbers
		}
		draft.OutputLimits[class] = OutputLimit{
			Hard: int64(min(hard, math.MaxInt64)), Soft: int64(min(soft, math.MaxInt64)), Seconds: seconds,
		}
	}
	return nil
}

// parseSeconds reads a number as C's strtoll into an int does: no digits are 0,
// a sign may precede, and of large numbers the low 32 bits count.
func parseSeconds(text string) (int64, bool) {
	if text = cutText(text); text == "" {
		return 0, true
	}
	n, err := strconv.ParseInt(strings.TrimLeft(text, "\t\n\v\f\r"), 10, 64)
	if err != nil && !errors.Is(err, strconv.ErrRange) {
		return 0, false
	}
	seconds := int64(int32(n))
	return seconds, seconds >= 0
}

func percentilesText(c *Context) string {
	var texts []string
	for _, p := range c.Config.LatencyPercentiles {
		texts = append(texts, percentText(p))
	}
	return strings.Join(texts, " ")
}

// percentText writes up to six digits behind the point.
func percentText(p float64) string {
	return strings.TrimRight(strings.TrimRight(strconv.FormatFloat(p, 'f', 6, 64), "0"), ".")
}

func setPercentiles(draft *Config, v string) error {
	list := []float64{}
	if v != "" {
		for _, word := range strings.Split(v, " ") {
			p, ok := parseFloat([]byte(word))
			switch {
			case !ok:
				return errPercentiles
			case p < 0 || p > 100:
				return errPercentRange
			}
			list = append(list, p)
		}
	}
	draft.LatencyPercentiles = list
	return nil
}
