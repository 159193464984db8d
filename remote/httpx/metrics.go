package httpx

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics are what a client counts. No label holds a name, an id or an URL.
type metrics struct {
	requests *prometheus.CounterVec   // every attempt, by operation and status class or "error"
	seconds  *prometheus.HistogramVec // from sending to the answer's head
	retries  *prometheus.CounterVec
	bytes    *prometheus.CounterVec // of bodies, by direction
	inFlight prometheus.Gauge
	waited   prometheus.Counter // seconds in the rate limit

	up, down prometheus.Counter
}

func newMetrics(reg *prometheus.Registry) (*metrics, error) {
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "dropfs_http_requests_total", Help: "Requests sent, by operation and outcome.",
		}, []string{"op", "outcome"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "dropfs_http_request_seconds", Help: "Time from sending to the head of the answer.",
			Buckets: []float64{.001, .005, .02, .05, .1, .25, .5, 1, 2.5, 5, 10, 30},
		}, []string{"op"}),
		retries: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "dropfs_http_retries_total", Help: "Requests sent again, by operation.",
		}, []string{"op"}),
		bytes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "dropfs_http_body_bytes_total", Help: "Bytes of bodies, by direction.",
		}, []string{"direction"}),
		inFlight: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "dropfs_http_in_flight", Help: "Requests waiting for the head of their answer.",
		}),
		waited: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "dropfs_http_rate_wait_seconds_total", Help: "Time spent waiting for the rate limit.",
		}),
	}
	m.up, m.down = m.bytes.WithLabelValues("up"), m.bytes.WithLabelValues("down")
	for _, c := range []prometheus.Collector{m.requests, m.seconds, m.retries, m.bytes, m.inFlight, m.waited} {
		if err := reg.Register(c); err != nil {
			return nil, err
		}
	}
	return m, nil
}

func (m *metrics) observe(op string, status int, took time.Duration) {
	outcome := "error"
	if status != 0 {
		outcome = strconv.Itoa(status/100) + "xx"
	}
	m.requests.WithLabelValues(op, outcome).Inc()
	m.seconds.WithLabelValues(op).Observe(took.Seconds())
}
