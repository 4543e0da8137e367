//! The load harness, tiny: its sums must hold; its speed is nobody's business here.

use crate::world::programs;

#[test]
fn advance_proves_its_sums() -> anyhow::Result<()> {
    let output = programs()
        .command("loadtest")
        .args([
            "run",
            "advance",
            "--seconds",
            "1",
            "--customers",
            "200",
            "--connections",
            "2",
            "-o",
            "json",
        ])
        .output()?;
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{stderr}");
    let report: serde_json::Value = serde_json::from_slice(&output.stdout)?;
    assert_eq!(report["sums_proven"], true);
    assert!(report["events"].as_u64().unwrap() > 0, "{report}");
    assert!(
        report["ack_latency_ms"]["p99"].as_f64().unwrap() > 0.0,
        "{report}"
    );
    Ok(())
}
