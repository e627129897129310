package ops

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/parley-chat/parley/server"
)

// Collector returns a Prometheus collector of the server's metrics, to register
// in a registry beside the program's own metrics. To register several servers,
// label each with prometheus.WrapRegistererWith.
func Collector(s *server.Server) prometheus.Collector {
	c := &collector{server: s}
	for i := range rows {
		c.rows = append(c.rows, prometheus.NewDesc(rows[i].name, rows[i].help, nil, nil))
	}
	for i := range families {
		c.families = append(c.families, prometheus.NewDesc(families[i].name, families[i].help, families[i].labels, nil))
	}
	for i := range histogramFamilies {
		c.histograms = append(c.histograms, prometheus.NewDesc(histogramFamilies[i].name, histogramFamilies[i].help, histogramFamilies[i].labels, nil))
	}
	return c
}

// A collector holds the descriptions of rows, families and histograms, in their
// order.
type collector struct {
	server                     *server.Server
	rows, families, histograms []*prometheus.Desc
}

func (c *collector) Describe(out chan<- *prometheus.Desc) {
	for _, list := range [][]*prometheus.Desc{c.rows, c.families, c.histograms} {
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
	for i := range histogramFamilies {
		for _, d := range histogramFamilies[i].read(&m) {
			out <- prometheus.MustNewConstHistogram(c.histograms[i], d.count, d.total.Seconds(), d.buckets, d.labels...)
		}
	}
}
