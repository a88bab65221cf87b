//! An instance in this process with its edge.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rekindle::http::settings::{BaseUrl, Forward, HttpSettings};
use rekindle::http::{HttpServer, Mode, serve};
use rekindle::runtime::settings::RuntimeSettings;
use rekindle::runtime::{Service, start};
use rekindle::telemetry::Metrics;

/// One of a group, reached at a port of its own.
pub struct Edged {
    pub service: Service,
    pub server: HttpServer,
    pub port: u16,
}

impl Edged {
    pub fn start(group: &RuntimeSettings, port: u16, forward: Forward) -> Edged {
        let mut settings = group.clone();
        settings.kafka.instance_id = format!("{}-{port}", group.kafka.group_id);
        settings.kafka.transactional_id = settings.kafka.instance_id.clone();
        settings.advertised_url = Some(BaseUrl::new(&format!("http://127.0.0.1:{port}")).expect("a URL"));
        let (metrics, engine) = (Arc::new(Metrics::new()), Arc::clone(&settings.engine));
        let service = start(settings, Arc::clone(&metrics)).expect("start");
        let http = HttpSettings { forward: Some(forward), ..HttpSettings::at(([127, 0, 0, 1], port).into()) };
        let server = serve(&http, service.port(), metrics, engine, Mode::Service).expect("a free port");
        Edged { service, server, port }
    }
}

/// Says that it is over when it is dropped.
pub struct Over<'d>(pub &'d AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
