package ca.iidi.hapi;

import ca.uhn.fhir.batch2.maintenance.JobMaintenanceServiceImpl;
import org.springframework.beans.factory.config.BeanPostProcessor;
import org.springframework.boot.context.properties.bind.Binder;
import org.springframework.core.env.Environment;
import org.springframework.stereotype.Component;

/**
 * Sets how often batch jobs such as {@code $export} move on to their next step, by
 * {@code hapi.fhir.job_maintenance_millis}. HAPI fixes it at one minute and the official image has no key for it.
 */
@Component
class BatchPace implements BeanPostProcessor {
    private final long millis;

    BatchPace(Environment env) {
        millis = Binder.get(env).bind("hapi.fhir.job-maintenance-millis", Long.class).orElse(60_000L);
    }

    @Override
    public Object postProcessAfterInitialization(Object bean, String name) {
        if (bean instanceof JobMaintenanceServiceImpl maintenance) {
            maintenance.setScheduledJobFrequencyMillis(millis);
        }
        return bean;
    }
}
