package ops

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/parley-chat/parley/server"
)

// Collector gives a server's metrics to a registry of Prometheus's client
// library, beside what else a program registers there. More than one server
// needs labels of their own: prometheus.WrapRegistererWith.
func Collector(s *server.Server) prometheus.Collector {
	c := &collector{server: s}
	for i := range rows {
		c.rows = append(c.rows, prometheus.NewDesc(rows[i].name, rows[i].help, nil, nil))
	}
	for i := range families {
		c.families = append(c.families, prometheus.NewDesc(families[i].name, families[i].help, families[i].labels, nil))
	}
	for i := range spreads {
		c.spreads = append(c.spreads, prometheus.NewDesc(spreads[i].name, spreads[i].help, spreads[i].labels, nil))
	}
	return c
}

// A collector has the descriptions of rows, families and spreads, in their order.
type collector struct {
	server                  *server.Server
	rows, families, spreads []*prometheus.Desc
}

func (c *collector) Describe(out chan<- *prometheus.Desc) {
	for _, list := range [][]*prometheus.Desc{c.rows, c.families, c.spreads} {
		for _, d := range list {
			out <- d
		}
	}
}

func (c *collector) Collect(out chan<- prometheus.Metric) {
	m := c.server.Metrics()
	for i := range rows {
		out <- prometheus.MustNewConstMetric(c.rows[i], rows[i].kind, rows[i].value(&m))
	}
	for i := range families {
		for _, s := range families[i].samples(&m) {
			out <- prometheus.MustNewConstMetric(c.families[i], families[i].kind, s.value, s.labels...)
		}
	}
	for i := range spreads {
		for _, d := range spreads[i].read(&m) {
			out <- prometheus.MustNewConstHistogram(c.spreads[i], d.count, d.total.Seconds(), d.upTo, d.labels...)
		}
	}
}
