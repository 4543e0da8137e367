//! Health, reflection, and what a start must have for itself.

use tonic::transport::Endpoint;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;

use crate::world::World;

#[tokio::test]
async fn health_and_reflection_answer() -> anyhow::Result<()> {
    let world = World::start().await?;
    let address = world.node.address().to_owned();
    let channel = Endpoint::from_shared(address)?.connect().await?;
    let mut health = HealthClient::new(channel.clone());
    for service in [
        "IngestService",
        "JourneyService",
        "CustomerService",
        "WorkerService",
    ] {
        let service = format!("journey.v1.{service}");
        let answer = health
            .check(HealthCheckRequest { service })
            .await?
            .into_inner();
        assert_eq!(answer.status, 1, "serving");
    }
    let mut reflection = ServerReflectionClient::new(channel);
    let request = ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::ListServices(String::new())),
    };
    let requests = tokio_stream::once(request);
    let mut answers = reflection
        .server_reflection_info(requests)
        .await?
        .into_inner();
    let answer = answers
        .message()
        .await?
        .and_then(|answer| answer.message_response);
    let Some(MessageResponse::ListServicesResponse(services)) = answer else {
        anyhow::bail!("no list of services: {answer:?}");
    };
    let names: Vec<String> = services
        .service
        .into_iter()
        .map(|service| service.name)
        .collect();
    assert!(
        names.contains(&"journey.v1.IngestService".to_owned()),
        "{names:?}"
    );
    world.expect_no_warnings();
    Ok(())
}

#[tokio::test]
async fn a_port_in_use_is_answered_with_the_flag_that_changes_it() -> anyhow::Result<()> {
    let world = World::start().await?;
    let listen = world.node.address().trim_start_matches("http://");
    let data = world.folder.path().join("other");
    let output = crate::world::programs()
        .command("journeyd")
        .args(["start", "--http-listen", "", "--listen", listen])
        .arg("--data-dir")
        .arg(&data)
        .output()?;
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1));
    assert!(
        message.contains("--listen") && message.contains(listen),
        "{message}"
    );
    assert!(!data.exists(), "nothing is written before the port is had");
    Ok(())
}

#[tokio::test]
async fn a_data_folder_in_use_is_refused_by_name() -> anyhow::Result<()> {
    let world = World::start().await?;
    let data = world.folder.path().join("data");
    let output = crate::world::programs()
        .command("journeyd")
        .args(["start", "--http-listen", "", "--listen", "127.0.0.1:0"])
        .arg("--data-dir")
        .arg(&data)
        .output()?;
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1));
    assert!(
        message.contains("in use by another process") && message.contains("data"),
        "{message}"
    );
    Ok(())
}

#[test]
fn an_open_address_needs_a_flag() -> anyhow::Result<()> {
    let output = crate::world::programs()
        .command("journeyd")
        .args(["start", "--listen", "0.0.0.0:0"])
        .output()?;
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1));
    assert!(
        message.contains("--insecure-listen") && message.contains("no TLS"),
        "{message}"
    );
    Ok(())
}
